from typing import Self

from keras_recurrent.elmo.checkpoints import models


class PublishedCheckpoints:
    """Mixin of `BiLM`: from published files and to such files."""

    @classmethod
    def from_checkpoint(
        cls, options_file, weights_file, stateful: bool = False, *, embedding_file=None, **kwargs
    ) -> Self:
        """The model that `options.json` describes, with the weights of the other file.

        Args:
            options_file: Published options; 261 or 262 characters make no difference.
            weights_file: HDF5 file in the published layout or as bilm-tf dumps it; or, to go on with
                a training run of bilm-tf, its checkpoint of TensorFlow 1: a prefix or the run's folder.
            stateful: As the argument of the constructor.
            embedding_file: HDF5 file whose `embedding` (V, P) holds the vectors of a fixed vocabulary
                (`dump_token_embeddings` of bilm-tf): the model reads numbers of words, not characters.
                Its first two rows must be those of `<S>` and `</S>`, as for each of bilm-tf's
                vocabularies; there is a warning where the weights tell that they are not.
            **kwargs: Further arguments of the constructor that the files do not tell: `dropout`,
                `initial_state`, `name`, `dtype`, `trainable`.

        Raises:
            FileNotFoundError, IsADirectoryError: A file is missing.
            kr.elmo.checkpoints.CheckpointError: (a ValueError) Options that are absurd or contradict
                the weights; a file that is cut off, damaged, or refers to other files. The message
                names the key, or the dataset and both shapes.
            TypeError: An argument that the files tell.
        """
        return models.from_checkpoint(
            cls,
            options_file,
            weights_file,
            embedding_file=embedding_file,
            stateful=stateful,
            **kwargs,
        )

    def save_checkpoint(self, folder, softmax=None) -> None:
        """Write `options.json` and `lm_weights.hdf5` in the published layout.

        bilm-tf, AllenNLP and others read them, but for what bilm-tf's reader is not made for: models
        of one direction, and encoders with fewer filters than P. The three names that a checkpoint may
        have are replaced as a whole; other files of the folder stay.

        Args:
            folder: A new or an existing folder. It is as before if anything goes wrong.
            softmax: (kernel (V, P), bias (V,)) goes to `lm_softmax_weights.hdf5`.

        Raises:
            ValueError: The layout has no words for the model (a backward direction alone, a projection
                that keeps the width), or a weight is infinite or NaN.
            NotADirectoryError, IsADirectoryError, FileNotFoundError, OSError: The folder cannot be
                written.
        """
        models.save(self, folder, softmax)
