"""Several layers run by one cuDNN call: a layer around others asks here before it runs them one by one.

cuDNN promises better that way: both directions, and steps of different layers that do not wait for each
other, run at the same time. One call is possible where no layer but the first masks its inputs (a mask
must be applied before the call) and nothing happens between the layers.
"""

import tensorflow as tf

from keras_recurrent.cells import cudnn_rules
from keras_recurrent.engines import cudnn
from keras_recurrent.engines.lowering import active_form
from keras_recurrent.engines.watching import active_watcher
from keras_recurrent.layers.rnn import RNN


def both_directions(forward, backward, sequences, initial_states, valid, training):
    """What calls of the two layers return, as a pair; None where each has to run by itself."""
    layers = [forward, backward]
    if not _share_a_call(layers, sequences) or forward.go_backwards or not backward.go_backwards:
        return None
    if training and any(_drops_inputs(layer) for layer in layers):
        return None
    return _run(layers, sequences, initial_states, valid, bool(training), bidirectional=True)


def layer_by_layer(layers, sequences, initial_states, valid, training):
    """What calls of the layers return, each on the output of the one before; None likewise.

    Instead of outputs all layers but the last return None.
    """
    if len(layers) == 1 or not _share_a_call(layers, sequences):
        return None
    if any(layer.go_backwards for layer in layers):
        return None
    if training and any(_drops_inputs(layer) for layer in layers[1:]):
        return None
    return _run(layers, sequences, initial_states, valid, bool(training), bidirectional=False)


def _share_a_call(layers, sequences) -> bool:
    # A call of its own or a penalty on the output is work that one call for all would leave out.
    if not all(isinstance(layer, RNN) and type(layer).call is RNN.call for layer in layers):
        return False
    if any(layer.activity_regularizer is not None for layer in layers):
        return False
    if active_form() is not None or active_watcher() is not None:
        return False
    if any(layer.explain_engine(sequences.shape).engine != "cudnn" for layer in layers):
        return False
    return len({cudnn_rules.kind(layer.cell) for layer in layers}) == 1


def _drops_inputs(layer) -> bool:
    return cudnn_rules.gated_cell(layer.cell).dropout > 0


def _run(layers, sequences, initial_states, valid, training, bidirectional) -> list:
    begun = [
        layer.begin(sequences, state) for layer, state in zip(layers, initial_states, strict=True)
    ]
    inputs, mask = layers[0].time_first(begun[0][0], valid)
    size = tf.shape(inputs)
    ran = cudnn.run_together(
        [layer.cell for layer in layers],
        inputs,
        [states for _, states in begun],
        [layer.cell.draw(size[1], size[0], training) for layer in layers],
        mask,
        training,
        bidirectional,
    )
    returned = []
    for place, layer in enumerate(layers):
        collect = layer.return_sequences and (bidirectional or layer is layers[-1])
        result = ran.result(place, collect, layer.zero_output_for_mask)
        returned.append(layer.finish(*result.batch_first(), valid))
    return returned
