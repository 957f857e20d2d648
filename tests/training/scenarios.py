"""Trainings that two workers and one process must end alike; run in children and in the tests.

Each scenario takes the strategy and returns what it ended with, in plain NumPy.
"""

import os
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from elmo import language_kit
from training import kit

import keras_recurrent as kr

ROWS, STEPS, WORDS, FEATURES = 21, 5, 11, 3


def words():
    draw = np.random.default_rng(0)
    ids = draw.integers(1, WORDS, (ROWS, STEPS))
    for row, length in enumerate(draw.integers(1, STEPS + 1, ROWS)):
        ids[row, length:] = 0
    tags = draw.normal(size=(ROWS, STEPS, 2)).astype("float32")
    kind = draw.integers(0, 3, ROWS)
    return ids, tags, kind


def frames():
    draw = np.random.default_rng(1)
    x = draw.normal(size=(ROWS, STEPS, FEATURES)).astype("float32")
    x[::3, 3:] = 0
    y = draw.normal(size=(ROWS, STEPS, 1)).astype("float32")
    weight = draw.uniform(0.1, 2, (ROWS, STEPS)).astype("float32")
    return x, y, weight


def ended(model, history=None, **more) -> dict:
    result = {"weights": model.get_weights(), **more}
    if history is not None:
        result["history"] = {k: [float(v) for v in vs] for k, vs in history.history.items()}
    return result


def two_outputs(strategy):
    """Masked steps and last step, sparse gradients, clipping, a regulariser, several steps a call."""
    keras.utils.set_random_seed(1)
    ids, tags, kind = words()
    with strategy.scope():
        inputs = keras.Input((STEPS,), dtype="int32")
        x = keras.layers.Embedding(WORDS, 4, mask_zero=True)(inputs)
        x = kr.LSTM(
            4, return_sequences=True, engine="loop", kernel_regularizer=keras.regularizers.L2(0.05)
        )(x)
        outputs = {
            "tag": keras.layers.Dense(2, name="tag")(x),
            "kind": keras.layers.Dense(3, name="kind")(keras.layers.GlobalAveragePooling1D()(x)),
        }
        model = kr.training.Model(inputs, outputs)
        crossentropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(
            keras.optimizers.Adam(0.02, global_clipnorm=0.1),
            {"tag": "mse", "kind": crossentropy},
            loss_weights={"tag": 1.0, "kind": 0.5},
            metrics={"tag": ["mae"], "kind": ["accuracy"]},
            steps_per_execution=2,
        )
    targets = {"tag": tags, "kind": kind}
    held_out = (ids[:5], {k: v[:5] for k, v in targets.items()})
    seen = []
    batch_logs = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: seen.append(float(logs["loss"]))
    )
    history = model.fit(
        ids,
        targets,
        batch_size=7,
        epochs=2,
        shuffle=False,
        validation_data=held_out,
        callbacks=[batch_logs],
        verbose=0,
    )
    evaluation = model.evaluate(ids, targets, batch_size=8, verbose=0, return_dict=True)
    predicted = model.predict(ids, batch_size=8, verbose=0)
    return ended(model, history, seen=seen, evaluation=evaluation, predicted=predicted)


def weighted(strategy, engine="compiled"):
    """The compiled engine, a loss scale that overflows at first, a mean by sample weights."""
    keras.utils.set_random_seed(2)
    x, y, weight = frames()
    with strategy.scope():
        model = kr.training.Sequential(
            [
                keras.Input((STEPS, FEATURES)),
                keras.layers.Masking(),
                kr.LSTM(4, return_sequences=True, engine=engine),
                keras.layers.Dense(1),
            ]
        )
        loss = keras.losses.MeanSquaredError(reduction="mean_with_sample_weight")
        optimizer = keras.optimizers.SGD(0.3, clipnorm=0.2)
        scaled = keras.optimizers.LossScaleOptimizer(optimizer, initial_scale=2.0**127)
        model.compile(scaled, loss, weighted_metrics=["mse"])
    history = model.fit(x, y, 8, 2, sample_weight=weight, shuffle=False, verbose=0)
    return ended(model, history, scale=float(scaled.dynamic_scale.numpy()))


class OwnStep(kr.training.Model):
    """A subclass with a step of its own, as Keras documents it."""

    def __init__(self, norm: bool):
        super().__init__()
        self.layer = kr.SimpleRNN(3, engine="loop")
        self.norm = keras.layers.BatchNormalization(momentum=0.5) if norm else None
        self.head = keras.layers.Dense(1)

    def call(self, x, training=False):
        x = self.layer(x)
        return self.head(x if self.norm is None else self.norm(x, training=training))

    def train_step(self, data):
        logs = super().train_step(data)
        return {"loss": logs["loss"], "twice": 2 * logs["loss"]}


def empty_parts(strategy):
    """Global batches of one example: the other worker has none."""
    keras.utils.set_random_seed(3)
    x, y, _ = frames()
    with strategy.scope():
        model = OwnStep(norm=False)
        model.compile(keras.optimizers.SGD(0.01), keras.losses.MeanSquaredError("sum"))
    history = model.fit(x[:5], y[:5, 0], batch_size=1, shuffle=False, verbose=0)
    return ended(model, history)


def moving_means(strategy):
    """The last batch leaves the other worker without an example."""
    keras.utils.set_random_seed(3)
    x, y, _ = frames()
    with strategy.scope():
        model = OwnStep(norm=True)
        model.compile(keras.optimizers.SGD(0.01), "mse")
    history = model.fit(x[:5], y[:5, 0], batch_size=4, shuffle=False, verbose=0)
    return ended(model, history, mean=model.norm.moving_mean.numpy())


def _own_data(strategy, index: int | None):
    """Two epochs' batches for each worker: 5 of worker 0, 2 of worker 1; joint without an index."""
    x, y, _ = frames()
    x, y = x[:14], y[:14, 0]
    mine, theirs = (np.arange(0, 10), np.arange(10, 14))
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    if index is not None:
        rows = mine if index == 0 else theirs
        # Keras's batch is the global one: each worker's half of it comes from its own data.
        return tf.data.Dataset.from_tensor_slices((x[rows], y[rows])).batch(4).with_options(options)
    joint = [
        mine[2 * i : 2 * i + 2].tolist() + theirs[2 * i : 2 * i + 2].tolist() for i in range(5)
    ]
    return tf.data.Dataset.from_generator(
        lambda: ((x[rows], y[rows]) for rows in joint),
        output_signature=(
            tf.TensorSpec((None, STEPS, FEATURES)),
            tf.TensorSpec((None, 1)),
        ),
    )


def uneven_shards(strategy, index=None):
    keras.utils.set_random_seed(4)
    with strategy.scope():
        model = small_model()
    history = model.fit(_own_data(strategy, index), epochs=2, verbose=0)
    return ended(model, history)


def small_model(**noise):
    lstm = kr.LSTM(3, engine="loop", **noise)
    model = kr.training.Sequential([keras.Input((STEPS, FEATURES)), lstm, keras.layers.Dense(1)])
    model.compile(keras.optimizers.Adam(0.05), "mse")
    return model


def shuffled_arrays(strategy):
    """The outputs' sum over an epoch tells whether each example was seen once."""
    x = 2.0 ** np.arange(ROWS - 1)[:, None].astype("float32")
    with strategy.scope():
        model = kr.training.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)])
        model.compile(keras.optimizers.SGD(0.0), "mae", metrics=[_Total()])
        model.set_weights([np.ones((1, 1))])
    history = model.fit(x, 0 * x, batch_size=6, epochs=2, verbose=0, validation_split=0.2)
    return ended(model, history)


class _Total(keras.metrics.Sum):
    def __init__(self):
        super().__init__(name="total")

    def update_state(self, y_true, y_pred, sample_weight=None):
        super().update_state(y_pred)


def interrupted(strategy, backup, die_in_epoch=None, folder=None):
    """Three epochs with a backup after each; the process ends itself in `die_in_epoch`."""
    keras.utils.set_random_seed(5)
    x, y, _ = frames()
    with strategy.scope():
        model = small_model(dropout=0.3, recurrent_dropout=0.2)

    def perhaps_die(batch, logs):
        if die_in_epoch is not None and model.optimizer.iterations.numpy() > 3 * die_in_epoch:
            Path(folder, "died").touch()
            os._exit(9)

    callbacks = [keras.callbacks.LambdaCallback(on_train_batch_end=perhaps_die)]
    if backup:
        callbacks.append(kr.training.ChiefOnly(kr.training.BackupAndRestore(backup)))
    history = model.fit(x, y[:, 0], 8, 3, shuffle=False, verbose=0, callbacks=callbacks)
    return ended(model, history, iterations=int(model.optimizer.iterations.numpy()))


def saving(strategy, folder):
    """Writes into a folder of the worker's own, so that one sees who wrote."""
    x, y, _ = frames()
    keras.utils.set_random_seed(6)
    with strategy.scope():
        model = small_model()
    callbacks = [
        keras.callbacks.ModelCheckpoint(f"{folder}/checkpoint.keras"),
        kr.training.ChiefOnly([keras.callbacks.CSVLogger(f"{folder}/log.csv")]),
        kr.training.ChiefOnly(_StopAfterOne()),
    ]
    history = model.fit(x, y[:, 0], epochs=3, verbose=0, callbacks=callbacks)
    model.save(f"{folder}/model.keras")
    model.save_weights(f"{folder}/model.weights.h5")
    return ended(model, history, chief=kr.training.is_chief())


class _StopAfterOne(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        self.model.stop_training = True


def refused(strategy) -> list[str]:
    """What several replicas cannot do, as the errors say."""
    said = []
    with strategy.scope():
        model = kr.training.Sequential([keras.Input((1,)), keras.layers.Dense(2)])
    for options in ({"loss": "mse", "jit_compile": True}, {"loss": "crossentropy"}):
        try:
            model.compile("sgd", **options)
        except ValueError as error:
            said.append(str(error))
    model.compile("sgd", "mse")
    try:
        model.fit(np.ones((4, 1)), np.ones((4, 2)), callbacks=[kr.training.BackupAndRestore("f")])
    except ValueError as error:
        said.append(str(error))
    return said


def truncated(strategy):
    """Rows of windows that go on from batch to batch, each on its replica."""
    keras.utils.set_random_seed(9)
    data = kit.dataset(lengths=(9, 14, 6, 13, 11), batch=4, dtype="float32")
    with strategy.scope():
        rows = 4 // strategy.num_replicas_in_sync
        trainer = kr.training.TruncatedBPTT(kit.model(batch=rows, dtype="float32", engine="loop"))
        trainer.compile(keras.optimizers.SGD(0.1), kr.losses.SumOverTime("mse"))
    return ended(trainer, trainer.fit(data, epochs=2, validation_data=data, verbose=0))


def language_model(strategy):
    """ELMo's training on windows of a text."""
    return language_kit.trained(strategy)


def masked_rows(strategy):
    """One row of each batch is masked from end to end."""
    keras.utils.set_random_seed(8)
    x, y, _ = frames()
    x[::6] = 0
    with strategy.scope():
        layers = [keras.layers.Masking(), kr.SimpleRNN(3, return_sequences=True, engine="loop")]
        model = kr.training.Sequential(
            [keras.Input((STEPS, FEATURES)), *layers, keras.layers.Dense(1)]
        )
        model.compile(keras.optimizers.SGD(0.02), kr.losses.SumOverTime("mse"))
    return ended(model, model.fit(x, y, 6, shuffle=False, verbose=0))


def by_hand(strategy, index=None) -> dict:
    """`train_on_batch` and `test_on_batch`: each worker gives its own part."""
    keras.utils.set_random_seed(7)
    x, y, _ = frames()
    part = {None: slice(0, 5), 0: slice(0, 2), 1: slice(2, 5)}[index]
    with strategy.scope():
        model = small_model()
    first = model.train_on_batch(x[part], y[part, 0])
    return ended(model, losses=[float(first), float(model.test_on_batch(x[part], y[part, 0]))])
