"""Sentences laid one behind the other into the rows of a batch."""

from collections.abc import Iterator


def packed(
    sentences: Iterator[list[str]], rows: int, steps: int, boundaries: tuple[str, str]
) -> Iterator[tuple[list, list]]:
    """Batches of words and of the words that follow them, each `rows` lists of `steps` words.

    A row reads a sentence, from the first boundary on; where it is to predict the last boundary the
    sentence is done and the next one follows at once: no last boundary is ever read. Row after row of
    a batch is filled; a row whose sentence does not end in it goes on with that one in the next batch.
    Sentences go to the rows in the order in which these ask. What fills no batch is left out.

    Args:
        sentences: Lists of words.
        rows: Rows of a batch.
        steps: Words of a row.
        boundaries: What comes before and behind a sentence.
    """
    begin, end = boundaries
    left: list[tuple[list[str], int]] = [([], 0)] * rows  # a row's sentence, and how far it is read
    while True:
        inputs, targets = [], []
        for row in range(rows):
            words, at = left[row]
            read: list[str] = []
            following: list[str] = []
            while len(read) < steps:
                if len(words) - at < 2:
                    sentence = next(sentences, None)
                    if sentence is None:
                        return
                    words, at = [begin, *sentence, end], 0
                stop = min(len(words) - 1, at + steps - len(read))
                read += words[at:stop]
                following += words[at + 1 : stop + 1]
                at = stop
            left[row] = (words, at)
            inputs.append(read)
            targets.append(following)
        yield inputs, targets
