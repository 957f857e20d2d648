"""Which engine runs a call, and why: a pure function of the facts."""

from dataclasses import dataclass

# What a layer's `engine` argument may say.
ENGINES = ("auto", "loop", "unroll", "compiled", "cudnn")


@dataclass(frozen=True)
class Facts:
    """What the choice depends on.

    Attributes:
        requested: The layer's `engine`.
        timesteps: Number of time steps, None if it is only known at run time.
        form: The form asked for by an exporter, None in training and prediction.
        own_cell: Whether the cell follows `kr.Cell`; others run in Keras's own loop.
        gpus: How many GPUs cuDNN could use.
        against_cudnn: Why cuDNN must not serve this layer, or None: see `cells.cudnn_rules`.
    """

    requested: str = "auto"
    timesteps: int | None = None
    form: str | None = None
    own_cell: bool = True
    gpus: int = 0
    against_cudnn: str | None = None


@dataclass(frozen=True)
class Choice:
    """An engine and the reason for it; prints as one sentence."""

    engine: str
    reason: str

    def __str__(self) -> str:
        return f"engine {self.engine!r}: {self.reason}"


def choose(facts: Facts) -> Choice:
    """Pick the engine; raises `ValueError` if the one asked for cannot serve."""
    if not facts.own_cell:
        if facts.form not in (None, "saved_model"):
            raise ValueError(
                "This cell does not follow `kr.Cell`, so it has no portable form to export. Write it "
                "as a subclass of `kr.Cell` or use one of this package's cells."
            )
        if facts.requested not in ("auto", "loop", "unroll"):
            raise ValueError(
                f"engine={facts.requested!r} needs a cell that follows `kr.Cell`; this one runs in "
                "Keras's own loop. Use engine='auto'."
            )
        return Choice("keras", "the cell does not follow `kr.Cell`, so Keras's own loop runs it")
    if facts.form is not None:
        return _exported(facts)
    return _requested(facts)


def _exported(facts: Facts) -> Choice:
    if facts.form == "unroll":
        return _unrolled(facts, "the export asks for one copy of the step for each time step")
    if facts.form == "saved_model":
        return Choice("loop", "any TensorFlow runs the loop of a SavedModel")
    return Choice("portable", "an export takes the loop that needs built-in operations only")


def _requested(facts: Facts) -> Choice:
    if facts.requested == "cudnn":
        return _cudnn(facts)
    if facts.requested == "unroll":
        return _unrolled(facts, "asked for")
    if facts.requested == "compiled" and facts.timesteps == 0:
        return Choice("unroll", "there is no time step to compile")
    if facts.requested in ("compiled", "loop"):
        return Choice(facts.requested, "asked for")
    if facts.timesteps == 1:
        return Choice("unroll", "a single time step needs no loop")
    if facts.gpus and facts.against_cudnn is None and facts.timesteps != 0:
        return Choice("cudnn", "there is a GPU, and cuDNN computes what this cell does")
    return Choice("loop", "a loop over time serves every cell, mask and length")


def _cudnn(facts: Facts) -> Choice:
    if facts.against_cudnn is not None:
        raise ValueError(
            f"engine='cudnn' cannot serve this layer: {facts.against_cudnn}. Use engine='auto', which "
            "takes cuDNN wherever it can serve."
        )
    if not facts.gpus:
        raise ValueError(
            "engine='cudnn' needs an NVIDIA GPU that TensorFlow can see, and there is none: see "
            "tf.config.get_visible_devices('GPU'). Use engine='auto', which takes cuDNN if there is one."
        )
    if facts.timesteps == 0:
        return Choice("unroll", "there is no time step to run")
    return Choice("cudnn", "asked for")


def _unrolled(facts: Facts, reason: str) -> Choice:
    if facts.timesteps is None:
        raise ValueError(
            "Unrolling needs a number of time steps that is known beforehand. Give it in the input's "
            "shape, such as keras.Input((100, 6)), or use engine='loop'. Received: timesteps=None"
        )
    return Choice("unroll", reason)
