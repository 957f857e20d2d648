"""The peers that embed: `simple_elmo` or `bilm`, whichever the first argument names.

Runs in their environment. Sentences in, vectors out, the mean of the layers; as both libraries are
meant to be used for many sentences: one session, made before.
"""

import logging
import sys
import time
from importlib import metadata
from pathlib import Path

import numpy as np

from benchmarks.elmo_child import Channel
from benchmarks.elmo_old_tensorflow import VERSION, tf


class SimpleElmo:
    """`get_elmo_vectors` of simple-elmo."""

    def __init__(self, folder: Path, batch_size: int):
        from simple_elmo import ElmoModel

        self.model = ElmoModel()
        self.model.load(str(folder), max_batch_size=batch_size)
        self.model.get_elmo_vectors([["a"]], warmup=False)  # builds its operations
        self.new_session()

    def new_session(self) -> None:
        self.session = tf.Session()
        self.session.run(tf.global_variables_initializer())

    def __call__(self, sentences: list[list[str]]) -> list[np.ndarray]:
        found = self.model.get_elmo_vectors(sentences, warmup=False, session=self.session)
        return [rows[: len(words)] for rows, words in zip(found, sentences, strict=True)]


class Bilm:
    """`BidirectionalLanguageModel` and `weight_layers` of bilm, put together as its own example does."""

    def __init__(self, folder: Path, batch_size: int):
        tf.disable_v2_behavior()
        import bilm

        self.batch_size = batch_size
        self.batcher = bilm.Batcher(str(folder / "vocab.txt"), 50)
        self.ids = tf.placeholder("int32", (None, None, 50))
        files = (str(folder / name) for name in ("options.json", "model.hdf5"))
        model = bilm.BidirectionalLanguageModel(*files, max_batch_size=batch_size)
        self.vectors = bilm.weight_layers("input", model(self.ids), l2_coef=0.0)["weighted_op"]
        self.new_session()

    new_session = SimpleElmo.new_session

    def __call__(self, sentences: list[list[str]]) -> list[np.ndarray]:
        found = []
        for first in range(0, len(sentences), self.batch_size):
            batch = sentences[first : first + self.batch_size]
            ids = self.batcher.batch_sentences(batch)
            rows = self.session.run(self.vectors, {self.ids: ids})
            found += [row[: len(words)] for row, words in zip(rows, batch, strict=True)]
        return found


def main(library: str, folder: str, batch_size: str) -> None:
    channel = Channel()
    logging.disable(logging.INFO)
    start = time.perf_counter()
    embed = {"simple_elmo": SimpleElmo, "bilm": Bilm}[library](Path(folder), int(batch_size))

    def run(sentences: list[list[str]]) -> float:
        start = time.perf_counter()
        embed(sentences)
        return time.perf_counter() - start

    def vectors(sentences: list[list[str]], path: str) -> None:
        """Of a batch that starts without a state, into the file."""
        embed.new_session()
        np.save(path, np.concatenate(embed(sentences)).astype("float32"))

    facts = {
        "version": metadata.version(library.replace("_", "-")),
        "tensorflow": VERSION,
        "seconds": time.perf_counter() - start,
    }
    channel.serve({"embed": run, "vectors": vectors}, facts)


if __name__ == "__main__":
    main(*sys.argv[1:])
