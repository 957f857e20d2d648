"""Engines: the ways to run a cell over time. All give the same numbers, forward and gradient.

Every engine has the signature of `loop.run`. `choose` says which one serves a call, and why.
"""

from functools import partial

from keras_recurrent.engines import compiled, cudnn, fused, loop, portable, unroll
from keras_recurrent.engines.choose import ENGINES, Choice, Facts, choose
from keras_recurrent.engines.lowering import lowering
from keras_recurrent.engines.xla import xla_refusal

RUN = {
    "compiled": compiled.run,
    "recomputed": partial(compiled.run, recompute=True),
    "cudnn": cudnn.run,
    "loop": loop.run,
    "unroll": unroll.run,
    "portable": portable.run,
    "fused": fused.run,
}

__all__ = ["ENGINES", "RUN", "Choice", "Facts", "choose", "lowering", "xla_refusal"]
