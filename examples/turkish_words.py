"""What a tagger looks at of a Turkish token: its word, its ends, its beginnings, its form."""

import itertools
from collections.abc import Sequence

SUFFIXES, PREFIXES = (1, 2, 3, 4, 5), (1, 2, 3, 4)  # letters
PLACES = 1 + len(SUFFIXES) + len(PREFIXES) + 2


def lower(word: str) -> str:
    """In lower case, as Turkish has it (I: ı, İ: i), and with 0 for every digit."""
    lowered = word.replace("İ", "i").replace("I", "ı").lower()
    return "".join("0" if letter.isdigit() else letter for letter in lowered)


def form(word: str) -> str:
    """Runs of capitals, small letters and digits as X, x and 0, at most six: "Mart'ta" is "Xx'x"."""
    kinds = (
        "X" if c.isupper() else "x" if c.islower() else "0" if c.isdigit() else c for c in word
    )
    return "".join(kind for kind, _ in itertools.groupby(kinds))[:6]


def pieces_of(tokens: Sequence[str], glued: Sequence[int]) -> list[tuple[str, ...]]:
    """`PLACES` pieces of each token of a sentence.

    Args:
        tokens: Words, parts of words and marks.
        glued: For each token, whether it stands without a space behind the one before: suffixes do.
    """
    if len(tokens) != len(glued):
        raise ValueError(
            f"`glued` needs a number for each token. Received: {len(tokens)} tokens, {len(glued)}"
        )
    found = []
    for place, token in enumerate(tokens):
        word = lower(token)
        marked = ("+" if glued[place] else "<") + word + ">"
        before_glued = place + 1 < len(tokens) and glued[place + 1]
        found.append(
            (
                word,
                *(marked[-(n + 1) :] for n in SUFFIXES),
                *(marked[: n + 1] for n in PREFIXES),
                form(token),
                f"{int(bool(glued[place]))}{int(bool(before_glued))}",
            )
        )
    return found
