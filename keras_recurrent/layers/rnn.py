"""`RNN`: any cell, run over time."""

from contextlib import nullcontext
from dataclasses import replace
from functools import partial

import keras
import tensorflow as tf

from keras_recurrent.cells import StackedCells, cudnn_rules, fused_rules
from keras_recurrent.cells.contract import Cell
from keras_recurrent.cells.keras_cell import KerasCell
from keras_recurrent.cells.stacked import follows_contract
from keras_recurrent.engines import ENGINES, RUN, Choice, Facts, choose, cudnn, xla_refusal
from keras_recurrent.engines.carry import carry_of
from keras_recurrent.engines.lowering import active_form, note_choice
from keras_recurrent.engines.result import (
    axes_swapped,
    broadcastable,
    exportable_mask,
    no_output,
)
from keras_recurrent.engines.watching import active_watcher
from keras_recurrent.keras_hooks import attach_mask, keras_dropout_masks
from keras_recurrent.layers import state
from keras_recurrent.layers.call_arguments import CallArguments
from keras_recurrent.layers.masks import valid_steps
from keras_recurrent.options import check_choice, check_flag


@keras.saving.register_keras_serializable("keras_recurrent")
class RNN(CallArguments, keras.layers.RNN):
    """Runs a cell over the time steps of a batch of sequences.

    (y(t), s(t)) = cell(x(t), s(t-1)) for t = 1..T; the input projection of all steps is one product.

    A drop-in for `keras.layers.RNN`, with these differences: masks hold also when `initial_state` is
    given, `lengths` and ragged tensors are understood, `reset_state` takes states and rows, an
    `engine` can be chosen.

    Args:
        cell: A cell of this package, a subclass of `kr.Cell`, a list of them (one step runs through
            all), or any Keras cell, which then runs in Keras's own loop.
        return_sequences: Whether to return the outputs of all time steps or the last one.
        return_state: Whether to return the states after the last step too.
        go_backwards: Whether to run from the last step to the first; outputs come in that order, and
            a mask is flipped with its row.
        stateful: Whether row i of a batch goes on from the state that row i of the last one left.
        unroll: The same as `engine="unroll"`.
        zero_output_for_mask: Whether masked steps give zeros; else they repeat the row's previous
            output (zeros before its first valid step).
        engine: "auto", "loop" (any case), "unroll" (a copy of the step for each time step; for few
            steps), "compiled" (XLA, forward and backward; compiles anew for each T and batch size;
            no second derivatives), "recomputed" (compiled too, and saves memory in training: of every
            step the others keep what the pass back needs, which is z, the states and the results of the
            recurrent products, an LSTM 10 numbers a unit; this one of about 2√T steps, for a second
            pass forward) or "cudnn" (NVIDIA's kernels on a GPU, with masks of any kind; LSTM, GRU with
            `reset_after` and SimpleRNN with tanh or relu, `dropout`, weight dropout and projection
            included; no second derivatives; an exported model never holds it). "auto" takes cuDNN where
            it can serve and a GPU was visible when the layer was made; such a layer has
            `supports_jit=False`, so that `compile(jit_compile="auto")` leaves XLA off. Elsewhere "auto"
            compiles in `fit`, `predict` and other graphs if T is known from the input's shape and XLA
            can compile the cell. `explain_engine` says which one a shape gets.

    Call arguments:
        sequences: `(batch, T, features)`, or a ragged tensor with ragged T.
        initial_state: The states at the start, in the order of `cell.state_size`; zeros by default.
        mask: Booleans `(batch, T)`, False for steps to skip: they leave the state as it is.
        training: Whether dropout, zoneout and weight dropout are at work.
        lengths: Whole numbers `(batch,)`: only the first `lengths[i]` steps of row i are valid. A mask
            that travels with the sequences holds too; an explicit `mask` beside it is an error.
            Lengths beyond T are refused, but under XLA, which drops such checks, count as T.

    Returns:
        `(batch, T, width)` with `return_sequences`, else `(batch, width)`; with `return_state` a tuple
        of this and the states.
    """

    def __init__(
        self,
        cell,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        zero_output_for_mask: bool = False,
        *,
        engine: str = "auto",
        **kwargs,
    ):
        if any(isinstance(c, keras.layers.RNN) for c in tf.nest.flatten(cell)):
            raise ValueError(
                f"`cell` must be a cell, such as kr.LSTMCell(8); for layers on top of each other see "
                f"kr.Stack. Received: the layer {cell!r}"
            )
        engine = check_choice("engine", engine, ENGINES)
        if check_flag("unroll", unroll):
            if engine not in ("auto", "unroll"):
                raise ValueError(
                    "`unroll=True` means engine='unroll'. Drop one of the two. "
                    f"Received: unroll=True, engine={engine!r}"
                )
            engine = "unroll"
        super().__init__(
            _one_cell(cell),
            return_sequences=check_flag("return_sequences", return_sequences),
            return_state=check_flag("return_state", return_state),
            go_backwards=check_flag("go_backwards", go_backwards),
            stateful=check_flag("stateful", stateful),
            unroll=engine == "unroll",
            zero_output_for_mask=check_flag("zero_output_for_mask", zero_output_for_mask),
            **kwargs,
        )
        self.engine = engine
        self._refuse_what_keras_gets_wrong()
        self._settle_cudnn()
        self._refuse_what_no_machine_runs(timesteps=1)
        self.supports_masking = True

    _use_cudnn: bool | str = "auto"

    def _settle_cudnn(self) -> None:
        """Whether this layer may run on cuDNN: settled here, since `compile()` asks before any call.

        A call may fall back to another engine, but none turns to cuDNN if this says no.
        """
        self._gpus = cudnn.visible_gpus()
        if self._use_cudnn is False:
            self._against_cudnn = "use_cudnn=False rules it out"
        elif self.engine not in ("auto", "cudnn"):
            self._against_cudnn = f"the layer was made with engine={self.engine!r}"
        else:
            self._against_cudnn = cudnn_rules.refusal(self.cell)
        self.supports_jit = not self._gpus or self._against_cudnn is not None

    def build(self, sequences_shape, initial_state_shape=None):
        sequences_shape = tuple(sequences_shape)
        own = follows_contract(self.cell)
        if len(sequences_shape) < 3 or (own and len(sequences_shape) > 3):
            raise ValueError(
                f"{type(self).__name__} reads sequences of shape (batch, timesteps, features). "
                f"Received: shape {sequences_shape}"
            )
        if not self.cell.built:
            self.cell.build((sequences_shape[0], *sequences_shape[2:]))
            self.cell.built = True
        if self.stateful and self.states is None:
            state.create_variables(self, sequences_shape[0])
        if own:
            self.input_spec = keras.layers.InputSpec(ndim=3, axes={-1: sequences_shape[-1]})
        self.built = True

    def _refuse_what_keras_gets_wrong(self):
        backwards = self.unroll and self.go_backwards and self.zero_output_for_mask
        if backwards and not follows_contract(self.cell):
            raise ValueError(
                "Keras's unrolled loop, which runs cells that do not follow `kr.Cell`, zeroes the wrong "
                "steps when it goes backwards. Use engine='loop'. Received: unroll=True, "
                "go_backwards=True, zero_output_for_mask=True"
            )

    def _refuse_what_no_machine_runs(self, timesteps) -> None:
        """Leaves out that this one may lack a GPU: it can still load, show and export the model."""
        self._choose(timesteps, gpus=1)

    def check_call(self, shape, initial_state) -> None:
        self._refuse_what_no_machine_runs(shape[1])
        if initial_state is not None:
            state.check_structure(self.cell, initial_state, shape[0], "initial_state")

    def compute_mask(self, sequences, mask):
        """The mask of the outputs: in processed order, as they are."""
        masks = super().compute_mask(sequences, mask)
        flat = masks if isinstance(masks, list) else [masks]
        if flat[0] is not None:
            flat[0] = self.mask_of_outputs(flat[0])
        return flat if isinstance(masks, list) else flat[0]

    def mask_of_outputs(self, valid):
        """A mask of the sequences, in the order of the outputs."""
        return keras.ops.flip(valid, 1) if self.go_backwards else valid

    def call(
        self,
        sequences,
        initial_state=None,
        mask=None,
        training=None,
        *,
        sequences_mask=None,
        lengths=None,
    ):
        valid = valid_steps(sequences, mask, sequences_mask, lengths)
        if (watcher := active_watcher()) is not None:
            return self._run_watched(watcher, sequences, initial_state, valid, bool(training))
        against_fused = self._against_fused(sequences, initial_state, valid)
        sequences, states = self.begin(sequences, initial_state)
        try:
            choice = self._choose(
                sequences.shape[1],
                active_form(),
                not tf.executing_eagerly(),
                against_fused=against_fused,
            )
        except ValueError as error:
            raise ValueError(f"Layer {self.name!r}: {error}") from None
        note_choice(self.name, choice)
        if choice.engine == "keras":
            ran = self._run_in_keras(sequences, states, valid, bool(training))
        else:
            run = RUN[choice.engine]
            ran = self._run_cell(run, self.cell, sequences, states, valid, bool(training))
        last_output, outputs, states = ran
        return self.finish(last_output, outputs, states, valid)

    def begin(self, sequences, initial_state):
        """The sequences and the first states of a call, checked; for `layers.together`."""
        if (carry := carry_of(self)) is not None:
            zeros = self.get_initial_state(tf.shape(sequences)[0])
            zeros = state.as_cell_state(self.cell, zeros)
            return sequences, carry.begin(self, zeros, initial_state)
        if self.stateful:
            sequences = state.check_batch(self.states, sequences, self.name)
        if initial_state is None:
            initial_state = self.states
        if initial_state is None:
            initial_state = self.get_initial_state(tf.shape(sequences)[0])
        else:
            state.check_structure(self.cell, initial_state, sequences.shape[0], "initial_state")
        return sequences, state.as_cell_state(self.cell, initial_state)

    def finish(self, last_output, outputs, states, valid):
        """What a call returns, its states kept if the layer is stateful; for `layers.together`."""
        if (carry := carry_of(self)) is not None:
            carry.finish(self, states)
            if valid is not None and not self.zero_output_for_mask:
                last_output, outputs = carry.hold_outputs(self, last_output, outputs, valid)
        elif self.stateful:
            state.assign(self.states, states)
        output = outputs if self.return_sequences else last_output
        if output is not None:  # inside a stack that runs as one it may be left out
            output = tf.cast(output, self.compute_dtype)
            if self.return_sequences and valid is not None:
                attach_mask(output, self.mask_of_outputs(valid))
        if not self.return_state:
            return output
        states = tf.nest.map_structure(lambda s: tf.cast(s, self.compute_dtype), tuple(states))
        return (output, *states)

    def time_first(self, sequences, valid) -> tuple:
        """Sequences and mask as engines take them: time first, masked steps zero, in order."""
        inputs = tf.cast(sequences, self.cell.compute_dtype)
        if valid is not None:  # NaN in a masked step must not reach the gradients
            inputs = tf.where(broadcastable(valid, inputs), inputs, tf.zeros_like(inputs))
            valid = tf.transpose(exportable_mask(valid))
        inputs = axes_swapped(inputs)
        if not self.go_backwards:
            return inputs, valid
        return tf.reverse(inputs, [0]), None if valid is None else tf.reverse(valid, [0])

    def _run_watched(self, watcher, sequences, initial_state, valid, training):
        if not tf.executing_eagerly():
            raise ValueError(
                f"Layer {self.name!r} is called inside a graph, where nobody can look inside it. Call "
                "the layers around it without tf.while_loop, tf.map_fn and the like."
            )
        sequences, states = self.begin(sequences, initial_state)
        cell, masks = self.cell, nullcontext()
        if not follows_contract(cell):
            cell, states = KerasCell(cell, training), list(states)
            masks = keras_dropout_masks(self, sequences[:, 0], states)
        with masks:
            run = partial(watcher.run, self)
            ran = self._run_cell(run, cell, sequences, states, valid, training)
        return self.finish(*ran, valid)

    def _run_cell(self, run, cell, sequences, states, valid, training):
        inputs, valid = self.time_first(sequences, valid)
        size = tf.shape(inputs)
        noise = cell.draw(size[1], size[0], training)
        result = run(
            cell,
            inputs,
            states,
            noise,
            valid,
            collect=self.return_sequences,
            zero_masked=self.zero_output_for_mask,
            training=training,
        )
        return result.batch_first()

    def _run_in_keras(self, sequences, states, valid, training):
        if sequences.shape[1] == 0:
            last = no_output(self.cell, tf.shape(sequences)[0])
            return last, last[:, tf.newaxis][:, :0], states
        with keras_dropout_masks(self, sequences[:, 0], list(states)):
            return super().inner_loop(sequences, list(states), mask=valid, training=training)

    def _against_fused(self, sequences, initial_state, valid) -> str | None:
        """Why TFLite's fused LSTM, which an exporter may ask for, cannot serve this call."""
        if valid is not None:
            return "the fused LSTM knows no masks"
        if initial_state is not None or self.stateful:
            return "the fused LSTM starts from zeros, and this layer from other states"
        if self.return_state:
            return "the fused LSTM does not give its states"
        if sequences.shape[0] is None:
            return "the fused LSTM needs a fixed batch size"
        return fused_rules.refusal(self.cell)

    def _choose(
        self,
        timesteps: int | None,
        form: str | None = None,
        traced=True,
        gpus: int | None = None,
        against_fused: str | None = None,
    ) -> Choice:
        facts = Facts(
            self.engine,
            timesteps,
            form,
            follows_contract(self.cell),
            traced,
            gpus=self._gpus if gpus is None else gpus,
            # The cell is asked again: someone may have set its recurrent_dropout since.
            against_cudnn=self._against_cudnn or cudnn_rules.refusal(self.cell),
            against_fused=against_fused,
        )
        choice = choose(facts)
        if choice.engine not in ("compiled", "recomputed") or not self.built:
            return choice
        return choose(replace(facts, xla_refusal=xla_refusal(self.cell, self.input_spec.axes[-1])))

    def explain_engine(self, input_shape=None) -> Choice:
        """The engine that sequences of this shape get, and why.

        Args:
            input_shape: `(batch, T, features)` with None for what is unknown.

        Returns:
            A `Choice` with `engine` and `reason`; it prints as one sentence.
        """
        return self._choose(None if input_shape is None else input_shape[1])

    def reset_state(self, states=None, rows=None) -> None:
        """Set the kept state of a `stateful` layer.

        Args:
            states: New values in the order of `cell.state_size`; zeros by default.
            rows: Which rows of the batch: indices or booleans; all by default. `states` then holds
                values for these rows only.
        """
        if self.states is None:
            if states is not None or rows is not None:
                raise ValueError(
                    f"Layer {self.name!r} keeps no state: build it with stateful=True and call it once "
                    "before setting its state."
                )
            return
        state.reset(self.cell, self.states, states, rows)

    def reset_states(self, states=None, rows=None) -> None:
        """Keras's older name of `reset_state`."""
        self.reset_state(states, rows)

    def get_config(self) -> dict:
        return {**super().get_config(), "engine": self.engine}


def _one_cell(cell):
    if not isinstance(cell, list | tuple):
        return cell
    if all(isinstance(c, Cell) for c in cell):
        return StackedCells(cell)
    return keras.layers.StackedRNNCells(list(cell))
