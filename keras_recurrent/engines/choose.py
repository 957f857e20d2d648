"""Which engine runs a call, and why: a pure function of the facts."""

from dataclasses import dataclass

# What a layer's `engine` argument may say.
ENGINES = ("auto", "loop", "unroll", "compiled", "recomputed", "cudnn")


@dataclass(frozen=True)
class Facts:
    """What the choice depends on.

    Attributes:
        requested: The layer's `engine`.
        timesteps: Number of time steps, None if it is only known at run time.
        form: The form asked for by an exporter, None in training and prediction.
        own_cell: Whether the cell follows `kr.Cell`; others run in Keras's own loop.
        traced: Whether the call becomes part of a graph, as in `fit` and `predict`.
        xla_refusal: What XLA says against the cell; None if nothing, or if it was not asked.
        gpus: How many GPUs cuDNN could use.
        against_cudnn: Why cuDNN must not serve this layer, or None: see `cells.cudnn_rules`.
        against_fused: Why TFLite's fused LSTM must not serve this call, or None: see
            `cells.fused_rules`.
    """

    requested: str = "auto"
    timesteps: int | None = None
    form: str | None = None
    own_cell: bool = True
    traced: bool = True
    xla_refusal: str | None = None
    gpus: int = 0
    against_cudnn: str | None = None
    against_fused: str | None = None


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
    if facts.form.startswith("fused"):
        return _fused_or_other(facts)
    if facts.form == "saved_model":
        return Choice("loop", "any TensorFlow runs the loop of a SavedModel")
    return Choice("portable", "an export takes the loop that needs built-in operations only")


def _fused_or_other(facts: Facts) -> Choice:
    if facts.against_fused is None:
        return Choice("fused", "one operation runs the whole sequence")
    if facts.form == "fused":
        raise ValueError(
            f"form='fused' cannot serve this layer: {facts.against_fused}. Use form='auto', which fuses "
            "where it can, or 'loop'."
        )
    if facts.form == "fused_or_loop":
        return Choice("portable", f"a loop with built-in operations only, as {facts.against_fused}")
    return _unrolled(facts, f"a copy of the step for each time step, as {facts.against_fused}")


def _requested(facts: Facts) -> Choice:
    if facts.requested == "cudnn":
        return _cudnn(facts)
    if facts.requested == "unroll":
        return _unrolled(facts, "asked for")
    if facts.requested in ("compiled", "recomputed"):
        return _compiled(facts)
    if facts.requested == "loop":
        return Choice("loop", "asked for")
    if facts.timesteps in (0, 1):
        return Choice("unroll", "a single time step, or none, needs no loop")
    if facts.gpus and facts.against_cudnn is None:
        return Choice("cudnn", "there is a GPU, and cuDNN computes what this cell does")
    return _compiled_or_loop(facts)


def _compiled(facts: Facts) -> Choice:
    if facts.xla_refusal is not None:
        raise ValueError(f"{facts.xla_refusal} Use engine='auto' or 'loop'.")
    if facts.timesteps == 0:
        return Choice("unroll", "there is no time step to compile")
    if facts.requested == "recomputed":
        _need_timesteps(facts, "The engine 'recomputed' cuts the sequence into segments and")
    return Choice(facts.requested, "asked for")


def _compiled_or_loop(facts: Facts) -> Choice:
    if facts.timesteps is None:
        return Choice(
            "loop",
            "the number of time steps is not known beforehand, and 'compiled' would compile anew for "
            "each. Give it in the input's shape (lengths in a few buckets), or ask for 'compiled'",
        )
    if not facts.traced:
        return Choice("loop", "an eager call is not worth compiling for; fit and predict are")
    if facts.xla_refusal is not None:
        return Choice("loop", facts.xla_refusal)
    return Choice(
        "compiled", "the number of time steps is known, so XLA compiles the loop over time"
    )


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
    _need_timesteps(facts, "Unrolling")
    return Choice("unroll", reason)


def _need_timesteps(facts: Facts, who: str) -> None:
    if facts.timesteps is None:
        raise ValueError(
            f"{who} needs a number of time steps that is known beforehand. Give it in the input's "
            "shape, such as keras.Input((100, 6)), or use engine='loop'. Received: timesteps=None"
        )
