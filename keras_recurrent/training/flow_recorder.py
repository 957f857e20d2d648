"""The gradient's flow through time, recorded while a model trains."""

import io
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from keras_recurrent.options import check_flag
from keras_recurrent.training.chief import is_chief
from keras_recurrent.training.figures import new_figure
from keras_recurrent.training.flow import GradientFlow
from keras_recurrent.training.flow_plot import draw_history
from keras_recurrent.training.gradient_flow import measured
from keras_recurrent.training.looking import recurrent_layers


class LayerHistory(NamedTuple):
    """The flow through one layer, epoch by epoch.

    Attributes:
        hidden: |∂L/∂h_t|, `(epochs, T)`.
        shares: |∂L/∂W|_(t)|, `(epochs, T)`.
    """

    hidden: np.ndarray
    shares: np.ndarray


class GradientFlowRecorder(keras.callbacks.Callback):
    """Records `gradient_flow` of one batch at the end of epochs of `fit`, always the same batch.

    The training goes on as without it: states, seeds, moving means and metrics are put back. A loss that
    is not finite is recorded too, as NaN.

    On several workers each one that has the callback measures by itself, without the others, so that
    all may have it, or one, such as the chief through `kr.training.ChiefOnly`; every worker needs the
    whole batch. Images are written by the chief alone.

    Args:
        x: What the model reads: a batch, in memory at once.
        y: The targets.
        every: How many epochs from one record to the next.
        log_dir: A folder for TensorBoard: the curves of each record are written there as the image
            `gradient_flow`, and at the end of the training the heat map `gradient_flow_history`.
            Needs matplotlib; TensorBoard itself shows them, and need not be there to write.
        sample_weight, loss, training: As for `gradient_flow`.

    Attributes:
        epochs: The epochs that were recorded, counted from 1.
        flows: A `GradientFlow` for each of them.

    Raises:
        ValueError: When the training begins, if the model cannot be looked into; see `gradient_flow`.
        ImportError: With `log_dir`, if matplotlib is not installed.
    """

    def __init__(
        self,
        x,
        y,
        every: int = 1,
        log_dir=None,
        *,
        sample_weight=None,
        loss=None,
        training: bool = False,
    ):
        super().__init__()
        if isinstance(every, bool) or not isinstance(every, int) or every < 1:
            raise ValueError(f"`every` must be a whole number of epochs. Received: every={every!r}")
        if log_dir is not None:
            new_figure(1, 1)  # say at once what is missing
        self.every, self.log_dir = every, log_dir
        self.epochs: list[int] = []
        self.flows: list[GradientFlow] = []
        self._batch = x, y, sample_weight, loss, check_flag("training", training)
        self._writer = None

    @property
    def history(self) -> dict[str, LayerHistory]:
        """For each layer, by name, arrays with a row for each recorded epoch."""
        names = self.flows[0].layers if self.flows else []
        return {name: LayerHistory(*map(np.stack, self._rows(name))) for name in names}

    def _rows(self, name: str):
        layers = [flow.layers[name] for flow in self.flows]
        return [layer.hidden for layer in layers], [layer.shares for layer in layers]

    def plot(self, figure=None):
        """Draw both sizes as heat maps over time steps and epochs, a row of two a layer.

        Args:
            figure: An empty matplotlib figure to draw on; a new one by default. Colours are those of
                the style in force.

        Returns:
            The matplotlib `Figure`.

        Raises:
            ValueError: Before the first record.
        """
        if not self.flows:
            raise ValueError(
                "Nothing is recorded yet: give the recorder to `fit` as a callback, for at least "
                f"every={self.every} epochs."
            )
        return draw_history(self.history, self.epochs, figure)

    def on_train_begin(self, logs=None):
        recurrent_layers(self.model)
        self.epochs, self.flows = [], []
        if self.log_dir is not None and is_chief(self.model.distribute_strategy):
            self._writer = tf.summary.create_file_writer(str(self.log_dir))

    def on_epoch_end(self, epoch, logs=None):
        if (epoch + 1) % self.every:
            return
        self.epochs.append(epoch + 1)
        self.flows.append(measured(self.model, *self._batch))
        if self._writer is not None:
            _write_image(self._writer, "gradient_flow", self.flows[-1].plot(), epoch)

    def on_train_end(self, logs=None):
        if self._writer is None:
            return
        if self.flows:
            last = self.epochs[-1] - 1
            _write_image(self._writer, "gradient_flow_history", self.plot(), last)
        self._writer.close()
        self._writer = None


def _write_image(writer, tag: str, figure, step: int) -> None:
    """As `tf.summary.image` would, which asks for TensorBoard itself."""
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=100)
    width, height = np.rint(figure.get_size_inches() * 100).astype(int)
    metadata = tf.compat.v1.SummaryMetadata(
        plugin_data={"plugin_name": "images"}, data_class="DATA_CLASS_BLOB_SEQUENCE"
    )
    image = tf.constant([str(width), str(height), file.getvalue()])
    with writer.as_default(), tf.summary.record_if(True):
        tf.summary.write(tag, image, step=step, metadata=metadata)
    writer.flush()
