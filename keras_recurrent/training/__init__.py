"""Training under `model.fit`: long sequences, gradient norms, exact resumption, several workers."""

from keras_recurrent.training.chief import ChiefOnly, is_chief
from keras_recurrent.training.failure import WorkerLost
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
    "GradientNorms",
    "Model",
    "Sequential",
    "TruncatedBPTT",
    "WorkerLost",
    "is_chief",
    "windows",
]
