"""Which occurrences of a word are nearest to it in another sentence, by a biLM's vectors."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

import keras_recurrent as kr

MOST, LONGEST = 300, 60  # occurrences of a word, words of their sentences
AROUND = 6  # words of a snippet on each side


class Occurrence(NamedTuple):
    """The word at `place` of a sentence, and where the sentence stands."""

    words: Sequence[str]
    place: int
    source: str = ""

    def __str__(self) -> str:
        before = self.words[max(0, self.place - AROUND) : self.place]
        after = self.words[self.place + 1 : self.place + 1 + AROUND]
        return " ".join([*before, f"*{self.words[self.place]}*", *after])


def occurrences(files: Iterable[Path], wanted: Iterable[str]) -> dict[str, list[Occurrence]]:
    """At most `MOST` occurrences of each word in short sentences, spread evenly over the files."""
    found: dict[str, list[Occurrence]] = defaultdict(list)
    wanted = set(wanted)
    for file in files:
        for line in file.read_text(encoding="utf-8").splitlines():
            words = line.split()
            if len(words) <= LONGEST:
                for word in wanted.intersection(words):
                    found[word].append(Occurrence(words, words.index(word), file.stem))
    return {word: _spread(places, MOST) for word, places in found.items()}


def _spread(places: list, count: int) -> list:
    chosen = np.unique(np.linspace(0, len(places) - 1, count).astype(int))
    return [places[number] for number in chosen]


def nearest(
    bilm: kr.elmo.BiLM, query: Occurrence, places: Sequence[Occurrence], count: int
) -> list[tuple[float, Occurrence]]:
    """The `count` nearest places, each with its cosine to the query in the top layer.

    What all vectors of the word have in common, their mean, is taken off first.
    """
    everything = [query, *places]
    sentences = kr.elmo.embed(bilm, [one.words for one in everything], output="top")
    vectors = np.stack(
        [vectors[one.place] for vectors, one in zip(sentences, everything, strict=True)]
    )
    vectors -= vectors[1:].mean(0)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    cosines = vectors[1:] @ vectors[0]
    return [(float(cosines[best]), places[best]) for best in np.argsort(-cosines)[:count]]
