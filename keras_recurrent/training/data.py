"""Data that all workers agree on: the order of arrays, the length of data sets."""

import inspect

import keras
import numpy as np
import tensorflow as tf

from keras_recurrent.training.chief import several_workers, value_of_chief, values_of_all


def arrays_in_agreed_order(model, args: tuple, kwargs: dict) -> tuple[tuple, dict]:
    """The arguments of `fit`, with arrays to shuffle as one data set with a common seed.

    Keras shuffles arrays with a seed of each process, so that two workers, each taking its part of
    every batch, would see some examples twice and others never.
    """
    bound = inspect.signature(keras.Model.fit).bind(model, *args, **kwargs)
    given = dict(bound.arguments)
    given.pop("self")
    if not several_workers(model.distribute_strategy) or not given.get("shuffle", True):
        return args, kwargs
    x, y, weight = (given.get(name) for name in ("x", "y", "sample_weight"))
    if not _are_arrays(x):
        return args, kwargs
    parts = tf.nest.map_structure(_to_array, (x, y, weight))
    split = given.pop("validation_split", 0.0)
    if split and given.get("validation_data") is None:
        rows = int(np.floor(_length(parts) * (1.0 - split)))
        given["validation_data"] = _without_none(_rows(parts, slice(rows, None)))
        parts = _rows(parts, slice(0, rows))
    steps = given.get("steps_per_epoch")
    batch = given.pop("batch_size", None)
    batch = batch or (-(-_length(parts) // steps) if steps else 32)
    given.setdefault("validation_batch_size", batch)
    seed = int(value_of_chief(model.distribute_strategy, tf.constant(_draw(), tf.int64)))
    given["x"] = _shuffled(_without_none(parts), batch, seed)
    given["shuffle"] = False  # done
    for name in ("y", "sample_weight"):
        given.pop(name, None)
    return (), given


def until_all_are_out(model, data):
    """A data set whose length Keras cannot know better than the workers do together.

    Keras stops after the batches that a data set says it has. Where each worker reads data of its
    own, that is neither the number of steps, as a worker takes only its part of a global batch at a
    time, nor the same on all workers.
    """
    strategy = model.distribute_strategy
    if not several_workers(strategy) or not isinstance(data, tf.data.Dataset):
        return data
    policies = tf.data.experimental.AutoShardPolicy
    policy = data.options().experimental_distribute.auto_shard_policy
    lengths = values_of_all(strategy, data.cardinality())
    if policy in (policies.OFF, policies.FILE) or len(set(lengths)) > 1:
        return data.filter(lambda *_: True)  # and TensorFlow still knows the size of batches
    return data


def _are_arrays(x) -> bool:
    leaves = tf.nest.flatten(x)
    return bool(leaves) and all(hasattr(leaf, "shape") and len(leaf.shape) for leaf in leaves)


def _to_array(leaf):
    return leaf if leaf is None or tf.is_tensor(leaf) else np.asarray(leaf)


def _length(parts) -> int:
    lengths = {len(leaf) for leaf in tf.nest.flatten(parts) if leaf is not None}
    if len(lengths) != 1:
        raise ValueError(
            f"All arrays must have the same number of rows. Received: {sorted(lengths)} rows"
        )
    return lengths.pop()


def _rows(parts, place: slice):
    return tf.nest.map_structure(lambda leaf: None if leaf is None else leaf[place], parts)


def _without_none(parts: tuple) -> tuple:
    x, y, weight = parts
    if weight is not None:
        return x, y, weight
    return (x, y) if y is not None else (x,)


def _draw() -> int:
    return int(np.random.randint(2**31 - 1))


def _shuffled(parts, batch: int, seed: int) -> tf.data.Dataset:
    length = _length(parts)
    order = tf.data.Dataset.range(length).shuffle(length, seed=seed).batch(batch)
    tensors = tf.nest.map_structure(tf.convert_to_tensor, parts)

    def take(rows):
        return tf.nest.map_structure(lambda leaf: tf.gather(leaf, rows), tensors)

    options = tf.data.Options()
    policy = tf.data.experimental.AutoShardPolicy.DATA
    options.experimental_distribute.auto_shard_policy = policy
    return order.map(take, num_parallel_calls=tf.data.AUTOTUNE).with_options(options)
