"""TFDS builder of the smart-watch recordings that the package seglearn carries."""

import io

import numpy as np
import tensorflow_datasets as tfds

from ..packages import Package, read_package_file

SEGLEARN = Package(
    name="seglearn",
    version="1.2.5",
    sha256="ec6b952c85c9627050102854b372d85951563d3b990df677d7c55547e87413dd",
)
EXERCISES = ["PEN", "ABD", "FEL", "IR", "ER", "TRAP", "ROW"]


class Builder(tfds.core.GeneratorBasedBuilder):
    """One example per recording of one subject doing one exercise with one arm."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self) -> tfds.core.DatasetInfo:
        return self.dataset_info_from_configs(
            features=tfds.features.FeaturesDict(
                {
                    "series": tfds.features.Tensor(shape=(None, 6), dtype=np.float32),
                    "label": tfds.features.ClassLabel(names=EXERCISES),
                    "subject": np.int64,
                }
            ),
            supervised_keys=("series", "label"),
            homepage="https://github.com/dmbee/seglearn",
            disable_shuffling=True,  # keeps the package's order, so that index i is its recording i
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager):
        del dl_manager  # pip downloads: it checks the pinned sha256
        return {"train": self._generate_examples()}

    def _generate_examples(self):
        stored = read_package_file(SEGLEARN, "seglearn/data/watch_dataset.npy")
        # The file is a pickle, which may run code: safe only because its checksum is pinned.
        watch = np.load(io.BytesIO(stored), allow_pickle=True).item()
        if watch["y_labels"] != EXERCISES:
            raise ValueError(
                f"Expected the exercises {EXERCISES}, found {watch['y_labels']}. "
                "Update EXERCISES together with the pinned version of the package."
            )
        rows = zip(watch["X"], watch["y"], watch["subject"], strict=True)
        for index, (series, label, subject) in enumerate(rows):
            series = series.astype(np.float32)
            yield index, {"series": series, "label": int(label), "subject": int(subject)}
