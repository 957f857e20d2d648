"""A cell that a user writes, with the parts that a guide would name."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from layers.kit import BATCH, FEATURES, MASK, STEPS, UNITS, close, differ, sequences

import keras_recurrent as kr
from keras_recurrent import options


@keras.saving.register_keras_serializable("test_user_cell")
class LeakyCell(kr.GatedCell):
    """h(t) = (1 - leak) h(t-1) + leak tanh(x(t) W + h(t-1) U + b)."""

    gates = ("candidate",)
    leak = options.rate("Share of the new.")

    def step(self, z, states, weights, noise=None):
        new = tf.tanh(z + self.recurrent(states.h, weights, noise))
        h = states.h + self.leak * (new - states.h)
        return h, kr.HiddenState(h)


@keras.saving.register_keras_serializable("test_user_cell")
class PlainCell(kr.Cell):
    """h(t) = tanh(x(t) + h(t-1) V), with a weight of its own; returns a list."""

    def __init__(self, units, gives=list, **kwargs):
        super().__init__(**kwargs)
        self.units = self.state_size = self.output_size = units
        self.gives = gives

    def build(self, input_shape):
        self.v = self.add_weight(shape=(self.units, self.units), name="v")

    def read_weights(self, noise=None):
        return (keras.ops.cast(self.v, self.compute_dtype),)

    def project(self, inputs, weights, noise=None):
        return inputs[..., : self.units]

    def step(self, z, states, weights, noise=None):
        h = tf.tanh(z + tf.matmul(states[0], weights[0]))
        return h, self.gives([h])

    def get_config(self):
        return {**super().get_config(), "units": self.units}


CELLS = {"gated": lambda: LeakyCell(UNITS, leak=0.5), "plain": lambda: PlainCell(FEATURES)}


@pytest.mark.parametrize("name", CELLS)
def test_it_trains_saves_and_loads(name, tmp_path):
    cell = CELLS[name]()
    layers = [keras.Input((None, FEATURES)), keras.layers.Masking(), kr.RNN(cell)]
    model = keras.Sequential([*layers, keras.layers.Dense(1)])
    model.compile(keras.optimizers.Adam(0.05), "mse")
    x, y = sequences(8), np.ones((8, 1))
    losses = model.fit(x, y, epochs=4, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    model.save(tmp_path / "user.keras")
    loaded = keras.models.load_model(tmp_path / "user.keras")
    close(loaded(x), model(x))
    assert loaded.layers[1].cell.get_config() == cell.get_config()


@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize("engine", ["loop", "unroll"])
def test_masks_and_keras_s_loop_agree(name, engine):
    cell = CELLS[name]()
    options = {"return_sequences": True, "return_state": True}
    x = sequences()
    ours = kr.RNN(cell, engine=engine, **options)(x, mask=MASK)
    close(ours, keras.layers.RNN(cell, **options)(x, mask=MASK))
    close(ours[1][1], kr.RNN(cell)(x[1:2, :2])[0])


@pytest.mark.parametrize("name", CELLS)
def test_gradients_of_its_own_weights(name):
    cell = CELLS[name]()
    results = []
    for rnn in (kr.RNN, keras.layers.RNN):
        layer = rnn(cell)
        layer(sequences())
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(layer(sequences()) ** 2)
        results.append(tape.gradient(loss, cell.trainable_variables))
    close(*results)


@pytest.mark.parametrize("gives", [list, tuple, lambda states: kr.HiddenState(*states)])
@pytest.mark.parametrize("engine", ["loop", "unroll"])
def test_a_step_may_return_its_states_in_any_sequence(gives, engine):
    cell = PlainCell(FEATURES, gives=gives)
    layer = kr.RNN(cell, engine=engine, return_state=True)
    output, state = layer(sequences(), mask=MASK)
    close(output, state)
    with keras.device("cpu"):
        close(layer(sequences(), mask=MASK), [output, state])


def test_options_of_a_user_s_cell():
    cell = LeakyCell(UNITS, leak=0.25, dropout=0.5)
    assert LeakyCell.from_config(cell.get_config()).leak == 0.25
    assert "leak: Share of the new. Default: 0.0." in LeakyCell.__doc__
    with pytest.raises(ValueError, match=r"leak.*Received: leak=2"):
        LeakyCell(UNITS, leak=2)
    layer = kr.RNN(cell)
    assert differ(layer(sequences(), training=True), layer(sequences()))


def test_a_user_s_cell_among_others():
    cells = [kr.LSTMCell(UNITS), LeakyCell(3, leak=0.5), kr.Zoneout(PlainCell(3), 0.25)]
    layer = kr.RNN(cells, return_sequences=True)
    assert layer(sequences(), lengths=[1, 5, 2]).shape == (BATCH, STEPS, 3)
    both = kr.Bidirectional(kr.RNN(LeakyCell(UNITS, leak=0.5), stateful=True))
    assert both(sequences()).shape == (BATCH, 2 * UNITS)
    assert layer.explain_engine((None, STEPS, FEATURES)).engine == "compiled"


def test_a_step_with_the_wrong_states_is_refused():
    cell = PlainCell(FEATURES, gives=lambda states: [*states, *states])
    for engine in ("loop", "unroll"):
        with pytest.raises((ValueError, TypeError)):
            kr.RNN(cell, engine=engine)(sequences())
