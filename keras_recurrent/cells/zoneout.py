from collections.abc import Mapping

import keras
import tensorflow as tf

from keras_recurrent.cells.noise import Noise, hold_mask, zone_out
from keras_recurrent.cells.wrapper import CellWrapper, inner, nest
from keras_recurrent.options import check_rate, check_seed


@keras.saving.register_keras_serializable("keras_recurrent")
class Zoneout(CellWrapper):
    """Keeps random parts of the state as they were (Krueger et al. 2017).

    s(t) = d * s(t-1) + (1 - d) * s'(t), s' the cell's new state; d is drawn for every unit and step in
    training (1 with probability `rate`) and is `rate` itself in inference. An output that is a part
    of the state follows it.

    Args:
        cell: The cell to wrap.
        rate: One rate in [0, 1) for the whole state, or a mapping from the names of its parts, such
            as `{"c": 0.5, "h": 0.05}` for an LSTM; parts that are left out keep nothing.
        seed: Seed of the masks; None draws one.
    """

    def __init__(self, cell, rate: float | Mapping[str, float], seed: int | None = None, **kwargs):
        super().__init__(cell, **kwargs)
        self.rate = self._check(rate)
        self.seed = check_seed("seed", seed)
        self.seed_generator = keras.random.SeedGenerator(self.seed)

    def _check(self, rate):
        if not isinstance(rate, Mapping):
            return check_rate("rate", rate)
        names = self.state_type._fields
        if not rate or not set(rate) <= set(names):
            raise ValueError(f"`rate` may name the parts {names} of the state. Received: {rate!r}")
        return {name: check_rate(f"rate[{name!r}]", value) for name, value in rate.items()}

    def _rates(self) -> list[float]:
        names = self.state_type._fields
        if isinstance(self.rate, Mapping):
            return [self.rate.get(name, 0.0) for name in names]
        return [self.rate] * len(names)

    def draw(self, batch, timesteps, training=False):
        noise = self.cell.draw(batch, timesteps, training)
        if not training or not any(self._rates()):
            return nest(noise)
        sizes = tf.nest.flatten(self.state_size)
        masks = [
            hold_mask((timesteps, batch, size), rate, self.seed_generator, self.compute_dtype)
            for rate, size in zip(self._rates(), sizes, strict=True)
        ]
        return nest(noise, Noise(steps=self.state_type(*masks)))

    def step(self, z, states, weights, noise=None):
        output, new = self.cell.step(z, states, weights, inner(noise))
        own = None if noise is None else noise.steps.own
        holds = [None] * len(new) if own is None else own
        zoned = self.state_type(*map(zone_out, new, states, self._rates(), holds))
        for before, after in zip(new, zoned, strict=True):
            if output is before:
                return after, zoned
        return output, zoned

    def get_config(self):
        return {**super().get_config(), "rate": self.rate, "seed": self.seed}
