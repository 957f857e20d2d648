"""Vanishing gradients: how gradients flow through five recurrent layers, and what each layer learns.

Adding problem: add the two marked ones of T numbers; always answering 1 has a squared error of 0.167.
Copy memory: give ten symbols back after T steps; without memory the loss is 10 ln 8 / (T + 20) nats a
step. Every batch is new, so that nothing can be learnt by heart.
"""

import argparse
import json
import os
import sys
import time
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

if not __package__:  # run as a file: make `examples` importable from the checkout's root
    sys.path[0] = str(Path(__file__).resolve().parents[1])
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import tensorflow as tf
from rich.console import Console
from rich.table import Table

from examples import vanishing_pictures as pictures
from examples.memory_cells import KINDS, build
from examples.memory_tasks import ADDING_CHANCE, SYMBOLS, adding, batches, copy_chance, copying
from examples.outcome import Outcome, write_outcome
from examples.plots import draw_both
from keras_recurrent.training import gradient_flow

BATCH, EPOCH = 32, 50  # rows; steps between two looks at the loss, at most
TEST_ROWS = 1000
SOLVED, AT_CHANCE = 0.05, 0.9 * ADDING_CHANCE
ENOUGH = {"adding": 0.01, "copying": 0.01}  # a loss at which the training ends


class Plan(NamedTuple):
    """What is run: lengths and most training steps of both tasks; the engine; the flow's length."""

    adding: tuple[int, ...]
    adding_steps: int
    copying: tuple[int, ...]
    copying_steps: int
    flow: int
    engine: str = "auto"
    copying_kinds: tuple[str, ...] = tuple(KINDS)
    adding_kinds: tuple[str, ...] = tuple(KINDS)


PLANS = {
    "quick": Plan((10,), 10, (5,), 10, 10, "loop", ("lstm",), ("tanh", "gru")),
    "default": Plan((50, 100, 200, 400), 1000, (50,), 1000, 100),
    "full": Plan((50, 100, 200, 400), 6000, (50, 100, 200, 400), 10000, 100),
}


@dataclass
class Run:
    """One cell trained on one task of one length; `loss` is that of new sequences afterwards."""

    task: str
    kind: str
    length: int
    chance: float
    loss: float
    steps: int
    curve: list[float]


class _Enough(keras.callbacks.Callback):
    """Ends the training when the loss of the last steps, all on new data, is small."""

    def __init__(self, loss: float):
        super().__init__()
        self.enough = loss

    def on_epoch_end(self, epoch, logs=None):
        self.model.stop_training = logs["loss"] < self.enough


def train(task: str, kind: str, length: int, most: int, engine: str, seed: int):
    """The `Run`, the trained model, and the weights that it started from."""
    keras.utils.set_random_seed(seed)
    make, every_step = {"adding": (adding, False), "copying": (copying, True)}[task]
    test = make(np.random.default_rng(seed + 1), TEST_ROWS, length)
    steps, features = test[0].shape[1:]
    outputs = SYMBOLS + 1 if every_step else 1
    model = build(kind, steps, features, outputs, every_step, engine)
    first = model.get_weights()
    every = min(EPOCH, most)
    history = model.fit(
        _dataset(make, length, test, seed + 2),
        steps_per_epoch=every,
        epochs=most // every,
        callbacks=[_Enough(ENOUGH[task])],
        shuffle=False,
        verbose=0,
    )
    curve = history.history["loss"]
    loss = float(model.compute_loss(y=test[1], y_pred=model(test[0])))
    chance = copy_chance(length) if every_step else ADDING_CHANCE
    return Run(task, kind, length, chance, loss, every * len(curve), curve), model, first


def _dataset(make, length: int, like, seed: int) -> tf.data.Dataset:
    specs = tuple(tf.TensorSpec((BATCH, *part.shape[1:]), part.dtype) for part in like)
    source = partial(batches, make, BATCH, length, seed)
    return tf.data.Dataset.from_generator(source, output_signature=specs).prefetch(4)


def flows(model: keras.Model, first: list[np.ndarray], length: int, seed: int) -> list[np.ndarray]:
    """|∂L/∂s_t| on the adding problem before and after the training.

    s is what the cell carries from step to step: c of an LSTM, h of the others.
    """
    x, y = adding(np.random.default_rng(seed + 3), BATCH, length)
    last, found = model.get_weights(), []
    for weights in (first, last):
        model.set_weights(weights)
        (layer,) = gradient_flow(model, x, y).layers.values()
        found.append(layer.states.get("c", layer.hidden))
    return found


def study(plan: Plan, seed: int, out: Path) -> tuple[list[Run], dict[str, list[np.ndarray]]]:
    """All runs and the flows of each cell, kept as they end in `runs.jsonl` and `flows.npz`."""
    runs, seen = [], {}
    tasks = [("adding", t, plan.adding_steps, plan.adding_kinds) for t in plan.adding]
    tasks += [("copying", t, plan.copying_steps, plan.copying_kinds) for t in plan.copying]
    tasks.sort(key=lambda task: task[1])  # the longest last
    with (out / "runs.jsonl").open("w") as file:
        for task, length, most, kinds in tasks:
            for kind in kinds:
                run, model, first = train(task, kind, length, most, plan.engine, seed)
                print(
                    f"{task} T={length:<4d} {KINDS[kind].title:20} loss {run.loss:.4f} "
                    f"(chance {run.chance:.4f}) after {run.steps} steps",
                    flush=True,
                )
                runs.append(run)
                file.write(json.dumps(asdict(run)) + "\n")
                file.flush()
                if task == "adding" and length == plan.flow:
                    seen[kind] = flows(model, first, length, seed)
                    _save(out / "flows.npz", seen)
                keras.backend.clear_session()
    return runs, seen


def _save(path: Path, arrays: dict) -> None:
    temporary = path.with_name(f".part-{path.name}")
    np.savez(temporary, **arrays)
    temporary.replace(path)


def show(runs: list[Run], seen: dict[str, list[np.ndarray]]) -> None:
    console = Console(width=110)
    for task, unit in (("adding", "mean squared error"), ("copying", "nats a step")):
        lengths = sorted({run.length for run in runs if run.task == task})
        table = Table("cell", *[f"T = {n}" for n in lengths], title=f"{task}: {unit} (steps)")
        for kind in KINDS:
            mine = {run.length: run for run in runs if (run.task, run.kind) == (task, kind)}
            if mine:
                cells = [f"{mine[n].loss:.4f} ({mine[n].steps})" for n in lengths]
                table.add_row(KINDS[kind].title, *cells)
        chance = {run.length: run.chance for run in runs if run.task == task}
        table.add_row("chance", *[f"{chance[n]:.4f}" for n in lengths])
        console.print(table)
    table = Table("cell", "before", "after", title="|∂L/∂s_1| / |∂L/∂s_T|, s the cell's memory")
    for kind, pair in seen.items():
        table.add_row(KINDS[kind].title, *[f"{flow[0] / flow[-1]:.1e}" for flow in pair])
    console.print(table)


class Verdict(NamedTuple):
    """Lengths at which the tanh cell stays at chance, and errors there (else at all lengths).

    Attributes:
        lengths: Those lengths.
        tanh: The tanh cell's smallest error.
        gated: The gated cells' largest.
    """

    lengths: list[int]
    tanh: float
    gated: float

    @property
    def reached(self) -> bool:
        return bool(self.lengths) and self.gated < SOLVED


def judge(runs: list[Run]) -> Verdict:
    """The checked outcome, on the adding problem."""
    losses = {(run.kind, run.length): run.loss for run in runs if run.task == "adding"}
    tried = [n for kind, n in losses if kind == "tanh"]
    lengths = [n for n in tried if losses["tanh", n] >= AT_CHANCE]
    here = lengths or tried
    gated = [loss for (kind, n), loss in losses.items() if KINDS[kind].gated and n in here]
    worst = float(np.max(gated))  # not a number where one of them is none
    return Verdict(lengths, min(losses["tanh", n] for n in here), worst)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    size = parser.add_mutually_exclusive_group()
    size.add_argument(
        "--quick", action="store_true", help="10 steps of three cells, hardly trained: no goal"
    )
    size.add_argument("--full", action="store_true", help="all lengths of both tasks; hours")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--out", type=Path, default=Path("outputs/vanishing_gradients"))
    options = parser.parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    name = "quick" if options.quick else "full" if options.full else "default"
    begun, cpu = time.monotonic(), time.process_time()

    runs, seen = study(PLANS[name], options.seed, options.out)
    show(runs, seen)
    titles = {kind: KINDS[kind].title for kind in KINDS}
    flow, learnt = (options.out / f"vanishing_{part}.png" for part in ("flow", "learning"))
    draw_both(partial(pictures.draw_flows, seen, titles), flow, (9, 3.6))
    draw_both(partial(pictures.draw_learning, runs, titles), learnt, (9, 3.6))
    print(f"Pictures: {flow}, {learnt}")

    verdict = judge(runs)
    copied = min((run for run in runs if run.task == "copying"), key=lambda r: r.loss / r.chance)
    outcome = Outcome(
        example="vanishing_gradients",
        kind="many to one",
        data=f"adding problem, T = {', '.join(map(str, verdict.lengths)) or '(none)'}, made here",
        metric="largest mean squared error of the gated cells where tanh stays at chance",
        reached=verdict.gated,
        baseline=f"SimpleRNN with tanh: {verdict.tanh:.3f}; always answering 1: {ADDING_CHANCE:.3f}",
        goal=None if options.quick else SOLVED,
        seed=options.seed,
        minutes=(time.monotonic() - begun) / 60,
        command=" ".join(
            [
                "python examples/vanishing_gradients.py",
                *([f"--{name}"] if name != "default" else []),
            ]
        ),
        higher_is_better=False,
        notes=[
            f"{(time.process_time() - cpu) / 60:.1f} CPU minutes.",
            f"Copy memory, T = {copied.length}: best {copied.loss:.3f} nats a step "
            f"({titles[copied.kind]}) beside {copied.chance:.3f} by chance.",
        ],
    )
    write_outcome(options.out, outcome)
    if options.quick:
        return 0
    what = f"all gated cells under {SOLVED} at lengths where the tanh cell stays at chance"
    print(f"{'reached' if verdict.reached else 'MISSED '}  {what}: T = {verdict.lengths}")
    return 0 if verdict.reached else 1


if __name__ == "__main__":
    sys.exit(main())
