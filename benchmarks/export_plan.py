"""What the benchmark of exports measures: shapes and contestants."""

from collections.abc import Mapping
from types import MappingProxyType

Shape = tuple[int, int, int]  # time steps of a call, features, units

KINDS = ("LSTM", "GRU")
SHAPES: tuple[Shape, ...] = ((100, 128, 256), (50, 64, 64), (1, 128, 256))
SMALLEST: Shape = (50, 64, 64)

STOCK, STOCK_DYNAMIC, STOCK_EXPORT = "stock Keras", "stock Keras dynamic", "stock Keras export()"
ONNX, TORCH = "onnxruntime", "torch.nn"
PEERS = (STOCK, STOCK_DYNAMIC, STOCK_EXPORT, ONNX, TORCH)
# Each with what it passes to `to_tflite`.
SEQUENCES: Mapping[str, dict] = MappingProxyType(
    {
        "loop": {"form": "loop"},
        "loop float16": {"form": "loop", "quantize": "float16"},
        "loop dynamic": {"form": "loop", "quantize": "dynamic"},
        "loop int8": {"form": "loop", "quantize": "int8"},
        "fused": {"form": "fused"},
        "fused dynamic": {"form": "fused", "quantize": "dynamic"},
        "fused int8": {"form": "fused", "quantize": "int8", "target": "micro"},
        "unroll": {"form": "unroll"},
        "unroll dynamic": {"form": "unroll", "quantize": "dynamic"},
    }
)
STEPS: Mapping[str, dict] = MappingProxyType(
    {
        "step": {},
        "step float16": {"quantize": "float16"},
        "step dynamic": {"quantize": "dynamic"},
        "step int8": {"quantize": "int8"},
        "step int16x8": {"quantize": "int16x8"},
    }
)
OUR_EXPORT = "ours, export()"  # what a user's own `model.export` makes of this package's layers


def suite_of(shape: Shape) -> str:
    """One time step a call is a matter of streaming, more are one of whole sequences."""
    return "step" if shape[0] == 1 else "sequence"


def ours(shape: Shape) -> Mapping[str, dict]:
    return STEPS if suite_of(shape) == "step" else SEQUENCES


def contestants(shape: Shape) -> tuple[str, ...]:
    own_export = (OUR_EXPORT,) if suite_of(shape) == "sequence" else ()
    return (*PEERS, *ours(shape), *own_export)
