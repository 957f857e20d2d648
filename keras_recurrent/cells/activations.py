"""Activations known by identity, as a kernel that has them built in must: every name of theirs."""

import keras
import tensorflow as tf

TANH = (keras.activations.tanh, keras.ops.tanh, tf.tanh)
RELU = (keras.activations.relu, keras.ops.relu, tf.nn.relu)
SIGMOID = (keras.activations.sigmoid, keras.ops.sigmoid, tf.sigmoid)
