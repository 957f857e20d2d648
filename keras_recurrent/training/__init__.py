"""Training on several workers under `model.fit`."""

from keras_recurrent.training.chief import ChiefOnly, is_chief
from keras_recurrent.training.failure import WorkerLost
from keras_recurrent.training.models import Distributed, Functional, Model, Sequential

__all__ = [
    "ChiefOnly",
    "Distributed",
    "Functional",
    "Model",
    "Sequential",
    "WorkerLost",
    "is_chief",
]
