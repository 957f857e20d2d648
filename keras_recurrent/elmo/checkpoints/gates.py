"""The LSTM of TensorFlow 1 in our terms, in NumPy.

It multiplies [input ; output before] by one matrix, its column blocks are the gates i, j (the
candidate), f, o, and it adds 1 to the forget gate's preactivation when it runs. Ours has a matrix for
each of the two, the order i, f, j, o, and a forget bias that holds the 1.
"""

import numpy as np

FORGET_BIAS = 1


def kernels_from_file(joint: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(input + output, 4 units) -> kernel (input, 4 units), recurrent kernel (output, 4 units).

    Input and output have the same width in every layer of a biLM.
    """
    kernel, recurrent_kernel = np.split(_swap(joint), 2)
    return kernel, recurrent_kernel


def kernels_to_file(kernel: np.ndarray, recurrent_kernel: np.ndarray) -> np.ndarray:
    return _swap(np.concatenate([kernel, recurrent_kernel]))


def bias_from_file(bias: np.ndarray) -> np.ndarray:
    return _plus_forget_bias(_swap(bias), FORGET_BIAS)


def bias_to_file(bias: np.ndarray) -> np.ndarray:
    return _swap(_plus_forget_bias(bias, -FORGET_BIAS))


def _swap(blocks: np.ndarray) -> np.ndarray:
    """Exchange the second and the third column block of four."""
    first, second, third, fourth = np.split(blocks, 4, axis=-1)
    return np.concatenate([first, third, second, fourth], axis=-1)


def _plus_forget_bias(bias: np.ndarray, amount: int) -> np.ndarray:
    bias = bias.copy()
    units = len(bias) // 4
    bias[units : 2 * units] += bias.dtype.type(amount)
    return bias
