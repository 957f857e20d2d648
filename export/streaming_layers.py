"""Stock layers that look at several time steps, as layers that can go on where the last call ended.

Outside a streaming export each computes exactly what its Keras namesake does.
"""

import keras
import tensorflow as tf

from keras_recurrent.applications.pooling import ValidMax, ValidMean
from keras_recurrent.engines.carry import carry_of

_register = keras.saving.register_keras_serializable("keras_recurrent.export")


@_register
class CausalConv1D(keras.layers.Conv1D):
    """`keras.layers.Conv1D`; a causal one keeps the last (kernel - 1) * dilation frames it read."""

    def call(self, inputs):
        carry = carry_of(self)
        width = (self.kernel_size[0] - 1) * self.dilation_rate[0]
        if carry is None or not width:
            return super().call(inputs)
        zeros = tf.zeros((tf.shape(inputs)[0], width, inputs.shape[-1]), inputs.dtype)
        before = carry.begin(self, {"frames": zeros})["frames"]
        inputs = tf.concat([before, inputs], 1)
        carry.finish(self, {"frames": inputs[:, -width:]})
        outputs = keras.ops.conv(
            inputs,
            self.kernel,
            strides=list(self.strides),
            padding="valid",
            dilation_rate=self.dilation_rate,
            data_format=self.data_format,
        )
        if self.use_bias:
            outputs = outputs + keras.ops.cast(self.bias, outputs.dtype)
        return outputs if self.activation is None else self.activation(outputs)


@_register
class RunningMean(keras.layers.GlobalAveragePooling1D):
    """`keras.layers.GlobalAveragePooling1D` over all time steps so far: a sum and their number."""

    def call(self, inputs, mask=None):
        carry = carry_of(self)
        if carry is None:
            return super().call(inputs, mask=mask)
        zero = tf.zeros_like(inputs[:, 0])
        zeros = {"count": zero[:, :1], "sum": zero}
        before = carry.begin(self, zeros)
        if mask is None:
            steps = tf.cast(tf.shape(inputs)[1], inputs.dtype)
        else:
            valid = tf.cast(mask, tf.bool)[..., tf.newaxis]
            inputs = tf.where(valid, inputs, tf.zeros_like(inputs))
            steps = tf.reduce_sum(tf.cast(valid, inputs.dtype), 1)
        total, count = before["sum"] + tf.reduce_sum(inputs, 1), before["count"] + steps
        carry.finish(self, {"count": count, "sum": total})
        mean = total / count
        return mean[:, tf.newaxis] if self.keepdims else mean


@_register
class RunningMax(keras.layers.GlobalMaxPooling1D):
    """`keras.layers.GlobalMaxPooling1D` over all time steps so far, and whether there was one."""

    def call(self, inputs, mask=None):
        carry = carry_of(self)
        if carry is None:
            return super().call(inputs)
        zero = tf.zeros_like(inputs[:, 0])
        before = carry.begin(self, {"max": zero, "started": zero[:, :1]})
        largest = tf.reduce_max(inputs, 1)
        largest = tf.where(before["started"] > 0, tf.maximum(before["max"], largest), largest)
        carry.finish(self, {"max": largest, "started": tf.ones_like(zero[:, :1])})
        return largest[:, tf.newaxis] if self.keepdims else largest


SUCCESSORS = {
    keras.layers.Conv1D: CausalConv1D,
    keras.layers.GlobalAveragePooling1D: RunningMean,
    keras.layers.GlobalMaxPooling1D: RunningMax,
    ValidMean: RunningMean,
    ValidMax: RunningMax,
}
