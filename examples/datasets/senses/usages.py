"""Usage sentences of WordNet: which word of a sentence stands there in which sense."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from ..english import split_words

# fmt: off
NOUNS = (
    "Tops", "act", "animal", "artifact", "attribute", "body", "cognition", "communication",
    "event", "feeling", "food", "group", "location", "motive", "object", "person", "phenomenon",
    "plant", "possession", "process", "quantity", "relation", "shape", "state", "substance",
    "time",
)
VERBS = (
    "body", "change", "cognition", "communication", "competition", "consumption", "contact",
    "creation", "emotion", "motion", "perception", "possession", "social", "stative", "weather",
)
# fmt: on
# The lexicographer files, in the order of their numbers: WordNet's own coarse senses.
SUPERSENSES = [
    *("adj.all", "adj.pert", "adv.all"),
    *(f"noun.{name}" for name in NOUNS),
    *(f"verb.{name}" for name in VERBS),
    "adj.ppl",
]

# Endings of regular inflections and what the lemma has instead.
ENDINGS = {
    "noun": [("s", ""), ("es", ""), ("ies", "y"), ("ves", "f"), ("ves", "fe"), ("men", "man")],
    "verb": [
        *[("s", ""), ("es", ""), ("ies", "y"), ("ed", ""), ("ed", "e"), ("ied", "y")],
        *[("ing", ""), ("ing", "e"), ("ying", "ie")],
    ],
    "adj": [("er", ""), ("er", "e"), ("ier", "y"), ("est", ""), ("est", "e"), ("iest", "y")],
    "adv": [],
}
DOUBLED = {"verb": ("ed", "ing"), "adj": ("er", "est")}  # planned, bigger: one letter of two goes


class Usage(NamedTuple):
    """A sentence, one word of it, and the sense in which the word is used there.

    Attributes:
        tokens: The words and marks of the sentence.
        target: Index of the word among them.
        lemma: The word's dictionary form, in lower case.
        sense: The part of speech and number of the synset, such as `noun.00002684`.
        supersense: Name of the lexicographer file that holds the synset, such as `noun.object`.
    """

    tokens: tuple[str, ...]
    target: int
    lemma: str
    sense: str
    supersense: str


def read_usages(lines: Iterator[str]) -> Iterator[Usage]:
    """Usages in the lines of a `data.*` file, one per sentence and lemma that stands once in it.

    Irregular forms (went, mice) are not known here, and lemmas of several words are left out.
    """
    for line in lines:
        if line.startswith("  "):  # the licence
            continue
        facts, _, gloss = line.partition(" | ")
        fields = facts.split(" ")
        supersense = SUPERSENSES[int(fields[1])]
        speech = supersense.split(".")[0]
        words = [re.sub(r"\(\w+\)$", "", w) for w in fields[4 : 4 + 2 * int(fields[3], 16) : 2]]
        lemmas = {word.lower() for word in words if word.isalpha()}
        for sentence in sentences(gloss):
            tokens = tuple(split_words(sentence))
            forms = [possible_lemmas(token.lower(), speech) for token in tokens]
            for lemma in sorted(lemmas):
                places = [i for i, possible in enumerate(forms) if lemma in possible]
                if len(places) == 1 and len(tokens) > 1:
                    yield Usage(tokens, places[0], lemma, f"{speech}.{fields[0]}", supersense)


def sentences(gloss: str) -> list[str]:
    """What a gloss quotes after its definition.

    An open quotation ends with the gloss. Quotation marks inside the definition are no usage.
    """
    start = gloss.find('; "')
    return [] if start < 0 else [s.strip() for s in re.findall(r'"([^"]+)(?:"|$)', gloss[start:])]


def possible_lemmas(word: str, speech: str) -> set[str]:
    """The word, and what remains of it without a regular ending of its part of speech."""
    found = {word}
    for ending, instead in ENDINGS[speech]:
        if word.endswith(ending) and word != ending:
            stem = word[: -len(ending)]
            found.add(stem + instead)
            doubled = stem[-1:] == stem[-2:-1] and ending in DOUBLED.get(speech, ())
            if doubled:
                found.add(stem[:-1])
    return found
