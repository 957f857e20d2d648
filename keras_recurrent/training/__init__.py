"""Training under `model.fit`: long sequences, exact resumption, several workers, a look inside."""

from keras_recurrent.training.chief import ChiefOnly, is_chief
from keras_recurrent.training.failure import WorkerLost
from keras_recurrent.training.flow import GradientFlow, LayerFlow
from keras_recurrent.training.flow_recorder import GradientFlowRecorder
from keras_recurrent.training.gate_activations import (
    GateActivations,
    LayerActivations,
    gate_activations,
)
from keras_recurrent.training.gradient_flow import gradient_flow
from keras_recurrent.training.gradient_norms import GradientNorms
from keras_recurrent.training.models import Distributed, Functional, Model, Sequential
from keras_recurrent.training.resume import BackupAndRestore
from keras_recurrent.training.streams import windows
from keras_recurrent.training.truncated_bptt import TruncatedBPTT

__all__ = [
    "BackupAndRestore",
    "ChiefOnly",
    "Distributed",
    "Functional",
    "GateActivations",
    "GradientFlow",
    "GradientFlowRecorder",
    "GradientNorms",
    "LayerActivations",
    "LayerFlow",
    "Model",
    "Sequential",
    "TruncatedBPTT",
    "WorkerLost",
    "gate_activations",
    "gradient_flow",
    "is_chief",
    "windows",
]
