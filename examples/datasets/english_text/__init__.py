"""English texts for language models, prepared once and then written as text files."""

import os
import re
from pathlib import Path

import tensorflow_datasets as tfds

from ..archives import cache_folder
from .english_text_dataset_builder import Builder


def write_text(
    config: str, split: str, folder: Path, data_dir: str | os.PathLike | None = None
) -> list[Path]:
    """Write a text into `folder`, a file a document and a sentence a line, its words split by spaces.

    `config` is "speeches", "moby_dick", "shakespeare", "bible" or "glosses"; only the speeches have
    the splits "validation" and "test" beside "train". A file has the number and title of its document.
    """
    data_dir = os.fspath(data_dir or cache_folder() / "tensorflow_datasets")
    builder = Builder(config=config, data_dir=data_dir)
    builder.download_and_prepare()
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for index, document in enumerate(tfds.as_numpy(builder.as_dataset(split=split))):
        title = re.sub(r"\W+", "_", document["title"].decode())
        files.append(folder / f"{index:03}-{title}.txt")
        files[-1].write_bytes(b"".join(line + b"\n" for line in document["sentences"]))
    return files
