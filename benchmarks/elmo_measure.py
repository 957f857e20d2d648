"""Runs the suites of the ELMo benchmark: processes that take turns on the same sentences."""

import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks import elmo_weights
from benchmarks.elmo_child import Child
from benchmarks.elmo_goals import (
    BATCHES,
    BILM,
    COLD,
    EMBEDDING,
    GROWTH,
    MEMORY,
    OURS,
    SIMPLE,
    STEP,
    TRAINING,
    ElmoResult,
    tokens_text,
)
from benchmarks.elmo_text import VOCABULARY, WORDS_A_SENTENCE, Text, spellings, unique_share
from benchmarks.measure import recorded, rotated

CLOSE = 1e-5  # of vectors that do not exceed 10
_TEXT_SENTENCES = 20_000
_LIBRARIES = {SIMPLE: "simple_elmo", BILM: "bilm"}


@dataclass
class Settings:
    """What to measure.

    Attributes:
        peers: The Python of the peers' environment, None without them.
        rounds: Turns of each contestant.
        sentences: Of a turn of embedding, by batch size.
        training_rounds: Turns of training, a step each.
        grown: Numbers of tokens whose times are compared.
        growth_rounds: Turns of these.
        bilm_embeds: Whether bilm is timed in embedding too.
    """

    peers: str | None
    rounds: int
    sentences: dict[int, int]
    training_rounds: int
    grown: tuple[int, ...]
    growth_rounds: int
    bilm_embeds: bool
    training_batches: int


class Bench:
    """The suites; `tick` is called with what is about to be done."""

    def __init__(self, settings: Settings, folder: Path, tick: Callable[[str], None]):
        self.settings, self.folder, self.tick = settings, folder, tick
        self.text = Text()
        self.versions: dict[str, str] = {}
        sentences = Text(seed=2).sentences(_TEXT_SENTENCES)
        elmo_weights.write(folder, spellings(VOCABULARY), sentences)

    def embedding(self, batch_size: int) -> ElmoResult:
        """Sentences to vectors; every turn reads new sentences, the same for all contestants."""
        number = self.settings.sentences[batch_size]
        kind = BATCHES[0] if batch_size > 1 else BATCHES[1]
        sample = self.text.sentences(batch_size)
        result = ElmoResult(EMBEDDING, kind, (batch_size, WORDS_A_SENTENCE))
        result.unique = unique_share(sample)
        peers = [SIMPLE, *([BILM] if self.settings.bilm_embeds else [])]
        with ExitStack() as stack:
            children = self._embedders(stack, batch_size, peers, result)
            self._compare(children, sample, result)
            asked = {name: (child, {}) for name, child in children.items()}
            if OURS in asked:
                ours = {"batch_size": batch_size}
                asked[OURS] = (children[OURS], ours)
                asked[COLD] = (children[OURS], ours | {"window": batch_size, "cache": 0})
            for place in range(-1, self.settings.rounds):  # the first turn is not counted
                sentences = self.text.sentences(number)
                for name in rotated(list(asked), place):
                    self.tick(f"{EMBEDDING}, {kind}: {name}")
                    child, arguments = asked[name]
                    seconds = child.ask("embed", sentences=sentences, **arguments)
                    if place >= 0:
                        times = result.seconds.setdefault(name, [])
                        times.append(seconds / (number * WORDS_A_SENTENCE))
        return result

    def growth(self) -> list[ElmoResult]:
        """Times and memory of more and more tokens, batch 32, in fresh processes."""
        batch_size = max(self.settings.sentences)
        names = list(map(tokens_text, self.settings.grown))
        memory = {n: ElmoResult(MEMORY, n, (batch_size, WORDS_A_SENTENCE)) for n in names}
        grown = {}
        with ExitStack() as stack:
            first = memory[names[0]]
            children = self._embedders(stack, batch_size, [SIMPLE], first)
            grown = {n: ElmoResult(GROWTH, n, (batch_size, WORDS_A_SENTENCE)) for n in children}
            arguments = {name: {} for name in children} | {OURS: {"batch_size": batch_size}}
            warm = self.text.sentences(batch_size)
            for name, child in children.items():
                child.ask("embed", sentences=warm, **arguments[name])
            for _ in range(self.settings.growth_rounds):
                for tokens, label in zip(self.settings.grown, names, strict=True):
                    sentences = self.text.sentences(round(tokens / WORDS_A_SENTENCE))
                    for name, child in children.items():
                        self.tick(f"{GROWTH}, {label}: {name}")
                        seconds = child.ask("embed", sentences=sentences, **arguments[name])
                        seconds /= len(sentences) * WORDS_A_SENTENCE
                        grown[name].seconds.setdefault(label, []).append(seconds)
                        memory[label].seconds.setdefault(name, []).append(seconds)
                        # The peak so far: only in the first round that of so many tokens.
                        memory[label].megabytes.setdefault(name, child.peak_megabytes())
        return [*grown.values(), *memory.values()]

    def training(self) -> ElmoResult:
        """Steps on batches made beforehand: forward, backward, sampled softmax, Adagrad."""
        small = elmo_weights
        result = ElmoResult(TRAINING, STEP, (small.ROWS, small.WINDOW))
        number = str(self.settings.training_batches)
        programs = {OURS: (sys.executable, "elmo_ours", "training", str(self.folder), number)}
        if self.settings.peers:
            peer = (self.settings.peers, "elmo_peer_train", str(self.folder), number)
            programs[BILM] = peer
        with ExitStack() as stack:
            children = {}
            for name, program in programs.items():
                self.tick(f"{TRAINING}: {name} starts")
                with recorded(result, name):
                    child = stack.enter_context(Child(*program))
                    child.ask("train", steps=1)
                    children[name] = child
            for place in range(self.settings.training_rounds if children else 0):
                for name in rotated(list(children), place):
                    self.tick(f"{TRAINING}: {name}")
                    seconds = children[name].ask("train", steps=1)
                    times = result.seconds.setdefault(name, [])
                    times.append(seconds / (small.ROWS * small.WINDOW))
            for name, child in children.items():
                result.megabytes[name] = child.peak_megabytes()
        return result

    def _embedders(self, stack, batch_size: int, peers: list, result: ElmoResult) -> dict:
        """The processes that embed, those that cannot start left out and noted."""
        programs = {OURS: (sys.executable, "elmo_ours", "embedding", str(self.folder))}
        if self.settings.peers:
            for name in peers:
                arguments = (_LIBRARIES[name], str(self.folder), str(batch_size))
                programs[name] = (self.settings.peers, "elmo_peer_embed", *arguments)
        children = {}
        for name, program in programs.items():
            self.tick(f"{name} starts")
            with recorded(result, name):
                children[name] = stack.enter_context(Child(*program))
                self.versions[name] = children[name].facts["version"]
        return children

    def _compare(self, children: dict, sentences: list, result: ElmoResult) -> None:
        """All must give the same vectors, of a batch that starts without states."""
        found = {}
        with tempfile.TemporaryDirectory() as folder:
            for name, child in children.items():
                path = str(Path(folder, "vectors.npy"))
                child.ask("vectors", sentences=sentences, path=path)
                found[name] = np.load(path)
        for name in found:
            difference = np.abs(found[name] - found[OURS]).max() if OURS in found else 0.0
            if not difference <= CLOSE:
                raise ValueError(
                    f"{name} gives other vectors than ours: they differ by {difference}."
                )
            result.differences[name] = float(difference)
