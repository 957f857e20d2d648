"""TFDS builder of the rated sentences from film reviews that vaderSentiment's sources carry."""

import io
import tarfile

import numpy as np
import tensorflow_datasets as tfds

from ..english import split_words
from ..packages import Package, read_package_file

VADER = Package(
    name="vaderSentiment",
    version="3.3.2",
    sha256="5d7c06e027fc8b99238edb0d53d970cf97066ef97654009890b83703849632f9",  # of the sources
)
STUDY = "vaderSentiment-3.3.2/additional_resources/hutto_ICWSM_2014.tar.gz"
RATED = "hutto_ICWSM_2014/movieReviewSnippets_GroundTruth.txt"


class Builder(tfds.core.GeneratorBasedBuilder):
    """One example per sentence or two of a film review."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self) -> tfds.core.DatasetInfo:
        return self.dataset_info_from_configs(
            features=tfds.features.FeaturesDict(
                {
                    "text": tfds.features.Text(),
                    "tokens": tfds.features.Text(),  # words and marks with spaces between
                    "rating": np.float32,
                }
            ),
            supervised_keys=("text", "rating"),
            homepage="https://github.com/cjhutto/vaderSentiment",
            disable_shuffling=True,  # keeps the package's order: a split is drawn with a seed
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager):
        del dl_manager  # pip downloads: it checks the pinned sha256
        return {"train": self._generate_examples()}

    def _generate_examples(self):
        with tarfile.open(fileobj=io.BytesIO(read_package_file(VADER, STUDY))) as study:
            lines = study.extractfile(RATED).read().decode("utf-8", errors="replace").splitlines()
        for index, line in enumerate(lines):
            _, rating, text = line.split("\t")
            text = text.strip().replace("''", '"')
            tokens = " ".join(split_words(text))
            yield index, {"text": text, "tokens": tokens, "rating": float(rating)}
