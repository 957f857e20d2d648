"""bilm's own `training.train` on batches that its own reader made beforehand.

Runs in the peers' environment. The training asks for one batch after the other: the parent's requests
decide when it gets them, and the time between two is that of a step.
"""

import sys
import tempfile
import time
from importlib import metadata
from itertools import cycle, islice
from pathlib import Path

from benchmarks import elmo_weights as small
from benchmarks.elmo_child import Channel
from benchmarks.elmo_old_tensorflow import VERSION, tf


class Batches:
    """In place of bilm's data set: some batches again and again, as many as the parent asks for."""

    def __init__(self, channel: Channel, batches: list, facts: dict):
        self.channel, self.batches, self.facts = channel, cycle(batches), facts

    def iter_batches(self, *sizes):
        self.channel.answer(result=self.facts)
        for _, arguments in self.channel.requests():
            start = time.perf_counter()
            yield from islice(self.batches, arguments["steps"])
            self.channel.answer(result=time.perf_counter() - start)


def main(folder: str, number: str) -> None:
    channel = Channel()
    tf.disable_v2_behavior()
    from bilm.data import BidirectionalLMDataset
    from bilm.training import load_vocab, train

    vocabulary = load_vocab(str(Path(folder, small.VOCABULARY)), small.LONGEST_WORD)
    data = BidirectionalLMDataset(str(Path(folder, small.TEXT)), vocabulary)
    batches = data.iter_batches(small.ROWS, small.WINDOW)
    options = small.options(characters=small.CHARACTERS) | {
        "bidirectional": True,
        "dropout": small.DROPOUT,
        "batch_size": small.ROWS,
        "unroll_steps": small.WINDOW,
        "n_train_tokens": 10**9,
        "n_epochs": 1,
        "n_tokens_vocab": vocabulary.size,
        "n_negative_samples_batch": small.SAMPLES,
        "all_clip_norm_val": 10.0,
    }
    facts = {"version": metadata.version("bilm"), "tensorflow": VERSION}
    source = Batches(channel, list(islice(batches, int(number))), facts)
    with tempfile.TemporaryDirectory() as logs:
        train(options, source, 1, logs, logs)


if __name__ == "__main__":
    main(*sys.argv[1:])
