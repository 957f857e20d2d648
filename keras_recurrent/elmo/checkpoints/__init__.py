"""Checkpoints of ELMo in the layout that its authors published and bilm-tf, AllenNLP and others read.

`options.json` beside `lm_weights.hdf5`, and `lm_softmax_weights.hdf5` where there is a softmax. With P
the width of a direction, U the cells of an LSTM, F the sum of the filters, d a character's numbers:

| dataset | shape | ours |
| --- | --- | --- |
| `char_embed` | (261, d) | `character_embedding`; id 0, no character, has no row |
| `CNN/W_cnn_i`, `CNN/b_cnn_i` | (1, width, d, n), (n,) | `convolution_kernels[i]` (width, d, n), `convolution_biases[i]` |
| `CNN_high_k/W_carry`, `b_carry`, `W_transform`, `b_transform` | (F, F), (F,) | `highway_weights[k]` |
| `CNN_proj/W_proj`, `b_proj` | (F, P), (P,) | `projection_kernel`, `projection_bias`; absent where F = P |
| `embedding` | (V, P) | `embedding` of a model of token ids, instead of all above |
| `RNN_r/RNN/MultiRNNCell/Celll/LSTMCell/W_0` | (2 P, 4 U) | `kernel` over `recurrent_kernel`, gates i, j, f, o; ours are i, f, j, o |
| `.../B` | (4 U,) | `bias`, to whose forget gate 1 is added |
| `.../W_P_0` | (U, P) | `projection_kernel`; absent where U = P |
| `softmax/W`, `softmax/b` | (V, P), (V,) | in a file of its own |

r is 0 for the forward direction, 1 for the backward one. `cell_names` has the other names that cells
have had: in models of one layer or one direction, and in checkpoints of TensorFlow 1.

A file is compared with the options, names, shapes and kinds of numbers, before the first value is read,
and all of it is read before the first weight changes. Nothing is unpickled.
"""  # noqa: E501

from keras_recurrent.elmo.checkpoints.errors import CheckpointError
from keras_recurrent.elmo.checkpoints.models import from_checkpoint, load, save
from keras_recurrent.elmo.checkpoints.options_file import read_settings
from keras_recurrent.elmo.checkpoints.softmax_file import SoftmaxWeights, load_softmax

__all__ = [
    "CheckpointError",
    "SoftmaxWeights",
    "from_checkpoint",
    "load",
    "load_softmax",
    "read_settings",
    "save",
]
