"""This package as a contestant of the ELMo benchmark, in a process of its own."""

import sys
import time
from importlib import metadata
from pathlib import Path

import keras
import numpy as np

import keras_recurrent as kr
from benchmarks import elmo_weights as small
from benchmarks.elmo_child import Channel


def embedding(channel: Channel, folder: Path) -> None:
    start = time.perf_counter()
    bilm = kr.elmo.BiLM.from_checkpoint(folder / small.OPTIONS, folder / small.WEIGHTS)

    def run(sentences: list[list[str]], batch_size: int, **more) -> float:
        start = time.perf_counter()
        for _ in kr.elmo.embed(bilm, sentences, batch_size=batch_size, output="average", **more):
            pass
        return time.perf_counter() - start

    def vectors(sentences: list[list[str]], path: str) -> None:
        found = kr.elmo.embed(bilm, sentences, batch_size=len(sentences), output="average")
        np.save(path, np.concatenate(list(found)))

    facts = _facts() | {"seconds": time.perf_counter() - start}
    channel.serve({"embed": run, "vectors": vectors}, facts)


def training(channel: Channel, folder: Path, number: int) -> None:
    vocabulary = kr.elmo.Vocabulary.read(folder / small.VOCABULARY)
    bilm = kr.elmo.BiLM(small.UNITS, small.WIDTH, small.LAYERS, dropout=small.DROPOUT)
    model = kr.elmo.LanguageModel(
        bilm, vocabulary, batch_size=small.ROWS, window=small.WINDOW, samples=small.SAMPLES
    )
    model.compile()
    corpus = kr.elmo.Corpus(folder / small.TEXT, vocabulary)
    data = corpus.windows(small.ROWS, small.WINDOW).take(number).cache().repeat()
    clock = _Clock()

    def run(steps: int) -> float:
        model.fit(data, steps_per_epoch=steps, verbose=0, callbacks=[clock])
        return clock.seconds

    channel.serve({"train": run}, _facts())


class _Clock(keras.callbacks.Callback):
    """The time from the beginning of an epoch's first step to the end of its last one."""

    def on_train_batch_begin(self, batch, logs=None):
        if batch == 0:
            self._start = time.perf_counter()

    def on_train_batch_end(self, batch, logs=None):
        self.seconds = time.perf_counter() - self._start


def _facts() -> dict:
    return {"version": kr.__version__, "tensorflow": metadata.version("tensorflow")}


if __name__ == "__main__":
    channel = Channel()
    if sys.argv[1] == "embedding":
        embedding(channel, Path(sys.argv[2]))
    else:
        training(channel, Path(sys.argv[2]), int(sys.argv[3]))
