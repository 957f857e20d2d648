import keras

from keras_recurrent.cells.noise import Noise, drop_mask
from keras_recurrent.cells.wrapper import CellWrapper, nest
from keras_recurrent.options import check_rate, check_seed


@keras.saving.register_keras_serializable("keras_recurrent")
class WeightDrop(CellWrapper):
    """Drops recurrent weights in training (DropConnect; Wan et al. 2013, Merity et al. 2018).

    U' = U * m / (1 - rate), m drawn once a batch and kept for all its time steps; U' = U in inference.

    Args:
        cell: The cell to wrap; it must have a weight `recurrent_kernel`.
        rate: Share of the weights to drop, in [0, 1).
        seed: Seed of the masks; None draws one.
    """

    def __init__(self, cell, rate: float, seed: int | None = None, **kwargs):
        super().__init__(cell, **kwargs)
        self.rate = check_rate("rate", rate)
        self.seed = check_seed("seed", seed)
        self.seed_generator = keras.random.SeedGenerator(self.seed)

    def read_weights(self, noise=None):
        weights = super().read_weights(noise)
        if "recurrent_kernel" not in getattr(weights, "_fields", ()):
            raise TypeError(
                "WeightDrop needs a cell with a weight `recurrent_kernel`. Received: "
                f"{type(self.cell).__name__} with weights {getattr(weights, '_fields', weights)}"
            )
        if noise is None or noise.weights.own is None:
            return weights
        return weights._replace(recurrent_kernel=weights.recurrent_kernel * noise.weights.own)

    def draw(self, batch, timesteps, training=False):
        noise = self.cell.draw(batch, timesteps, training)
        if not training or not self.rate:
            return nest(noise)
        shape = self.read_weights().recurrent_kernel.shape
        mask = drop_mask(shape, self.rate, self.seed_generator, self.compute_dtype)
        return nest(noise, Noise(weights=mask))

    def get_config(self):
        return {**super().get_config(), "rate": self.rate, "seed": self.seed}
