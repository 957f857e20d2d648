"""Weights that are loaded must be numbers."""

import numpy as np


class FiniteWeights:
    """Mixin for a Keras layer: refuse NaN while it is still clear which file it comes from."""

    def load_own_variables(self, store):
        for name in store.keys():  # noqa: SIM118 (an HDF5 entry of Keras, not a mapping)
            if not np.all(np.isfinite(np.asarray(store[name], np.float64))):
                raise ValueError(
                    f"The weights to be loaded into {self.path!r} hold NaN or infinite values (variable "
                    f"{name} of the file): the training that wrote them diverged. Load an earlier "
                    "checkpoint."
                )
        super().load_own_variables(store)
