"""Training under `model.fit`: long sequences, gradient norms, exact resumption."""

from keras_recurrent.training.gradient_norms import GradientNorms
from keras_recurrent.training.resume import BackupAndRestore
from keras_recurrent.training.streams import windows
from keras_recurrent.training.truncated_bptt import TruncatedBPTT

__all__ = ["BackupAndRestore", "GradientNorms", "TruncatedBPTT", "windows"]
