"""Trainings on two logical devices and on one, in a child process: all of them into one file."""

import contextlib
import pickle
import sys
from pathlib import Path

import tensorflow as tf

tf.config.threading.set_intra_op_parallelism_threads(1)
CPU = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(CPU, [tf.config.LogicalDeviceConfiguration()] * 2)

import keras  # noqa: E402
import numpy as np  # noqa: E402
from elmo import language_kit  # noqa: E402
from training import kit  # noqa: E402

import keras_recurrent as kr  # noqa: E402

ONE = tf.distribute.get_strategy()
TWO = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
DRAW = np.random.default_rng(0)
X = DRAW.normal(size=(12, 5, 3)).astype("float32")
Y = DRAW.normal(size=(12, 5, 1)).astype("float32")
SHORT = np.where((np.arange(12) % 3 == 0)[:, None, None] & (np.arange(5) > 2)[:, None], 0, X)


def ended(model, history) -> list:
    logs = [np.array(v) for k, v in sorted(history.history.items()) if "/" not in k]
    return [*logs, *model.get_weights()]


def copies(model) -> list:
    """The first weights as each device has them."""
    return [v.numpy() for v in TWO.experimental_local_results(model.trainable_variables[0].value)]


def masked(strategy, engine, **options):
    """Parts of unlike size at the end."""
    keras.utils.set_random_seed(1)
    with strategy.scope():
        lstm = kr.LSTM(4, return_sequences=True, engine=engine, **options)
        model = kr.training.Sequential(
            [keras.Input((5, 3)), keras.layers.Masking(), lstm, keras.layers.Dense(1)]
        )
        model.compile(keras.optimizers.SGD(0.1, global_clipnorm=0.5), "mse")
    return ended(model, model.fit(SHORT[:10], Y[:10], 4, 2, shuffle=False, verbose=0))


def stock(strategy):
    """Keras weighs the halves of a batch alike: a last step for each row."""
    keras.utils.set_random_seed(1)
    with strategy.scope():
        lstm = kr.LSTM(4, peephole=True, engine="loop")
        layers = [keras.layers.Masking(), kr.Bidirectional(lstm), keras.layers.Dense(1)]
        model = keras.Sequential([keras.Input((5, 3)), *layers])
        model.compile(keras.optimizers.SGD(0.1), "mse")
    return ended(model, model.fit(SHORT, Y[:, 0], 4, 3, shuffle=False, verbose=0))


def truncated(strategy):
    """Windows, loss scaling, gradient norms; the validation comes within documents."""
    keras.utils.set_random_seed(1)
    data = kit.dataset(lengths=(9, 14, 6, 13, 11), batch=4, dtype="float32")
    with strategy.scope():
        model = kit.model(batch=4 // strategy.num_replicas_in_sync, dtype="float32", engine="loop")
        trainer = kr.training.TruncatedBPTT(model)
        optimizer = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.1))
        trainer.compile(optimizer, kr.losses.SumOverTime("mse"))
    history = trainer.fit(
        data.repeat(),
        epochs=3,
        steps_per_epoch=2,
        verbose=0,
        validation_data=data,
        callbacks=[kr.training.GradientNorms()],
    )
    return ended(model, history)


def language_model(strategy) -> list:
    """ELMo's training on windows of a text."""
    end = language_kit.trained(strategy)
    return [*map(np.array, end["history"].values()), *end["weights"]]


def normed(strategy, base, scaled: bool):
    """Two callbacks, a fit that is interrupted, one with and one without them."""
    keras.utils.set_random_seed(1)
    with strategy.scope():
        model = base([keras.Input((5, 3)), keras.layers.Flatten(), keras.layers.Dense(1)])
        optimizer = keras.optimizers.SGD(0.1)
        if scaled:
            optimizer = keras.optimizers.LossScaleOptimizer(optimizer, initial_scale=8.0)
        model.compile(optimizer, "mse")

    def stop(batch, logs=None):
        raise KeyboardInterrupt

    def fit(*callbacks):
        return model.fit(X, Y[:, 0], 4, shuffle=False, verbose=0, callbacks=list(callbacks))

    with contextlib.suppress(KeyboardInterrupt):
        fit(kr.training.GradientNorms(), keras.callbacks.LambdaCallback(on_train_batch_end=stop))
    history = fit(kr.training.GradientNorms(), kr.training.GradientNorms(every_batch=True))
    fit()
    return ended(model, history), copies(model)


def backed_up(folder):
    """An interrupted and resumed fit with dropout and kept states, and a whole one."""
    data = kit.dataset(batch=4, dtype="float32")

    def stop(epoch, logs=None):
        if epoch == 1:
            raise KeyboardInterrupt

    def train(*callbacks):
        keras.utils.set_random_seed(1)
        with TWO.scope():
            model = kit.model(dtype="float32", engine="loop", dropout=0.3)
            trainer = kr.training.TruncatedBPTT(model)
            trainer.compile(keras.optimizers.Adam(0.1), kr.losses.SumOverTime("mse"))
        options = {"steps_per_epoch": 2, "verbose": 0, "callbacks": list(callbacks)}
        start = 1 if Path(folder).exists() else 0
        return trainer, trainer.fit(data.repeat().skip(2 * start), epochs=2, **options)

    whole, history = train()
    backup = kr.training.BackupAndRestore(folder)
    with contextlib.suppress(KeyboardInterrupt):
        train(backup, keras.callbacks.LambdaCallback(on_epoch_begin=stop))
    resumed, rest = train(kr.training.BackupAndRestore(folder))
    assert rest.epoch == [1]
    loss = [h.history["loss"][-1] for h in (history, rest)]
    return [loss[0], *kit.weights(whole)], [loss[1], *kit.weights(resumed)]


def refused() -> list[str]:
    said = []
    for reduction in ("none", None):
        for loss in (
            kr.losses.SumOverTime("mse", reduction),
            keras.losses.MeanSquaredError(reduction),
        ):
            with TWO.scope():
                model = kr.training.Sequential([keras.Input((5, 3)), keras.layers.Dense(1)])
                try:
                    model.compile("sgd", loss)
                except ValueError as error:
                    said.append(str(error))
    return said


def main(folder: Path) -> None:
    ours, both = kr.training.Sequential, (ONE, TWO)
    noise = {"dropout": 0.3, "recurrent_dropout": 0.2}
    result = {
        "loop": [masked(s, "loop") for s in both],
        "compiled": [masked(s, "compiled") for s in both],
        "stock": [stock(s) for s in both],
        "dropout": [masked(TWO, engine, **noise) for engine in ("compiled", "loop")],
        "truncated": [truncated(s) for s in both],
        "language_model": [language_model(s) for s in both],
        "norms": [normed(s, ours, False) for s in both],
        "norms, scaled": [normed(s, ours, True) for s in both],
        "norms, stock": [normed(s, keras.Sequential, False) for s in both],
        "backup": backed_up(folder / "backup"),
        "refused": refused(),
    }
    (folder / "result.pickle").write_bytes(pickle.dumps(result))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
