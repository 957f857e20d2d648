"""Chorales as music21 reads them from the scores that come with it, on a grid of eighth notes."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

VERSION = "10.5.1"
SHA256 = "55e81d4c8289a1bd66fdf87893135a4e686654ff491c3e69f931dd4e4443c35e"  # of the 350 scores
GRID = 2  # frames in a quarter note
VOICES = ("soprano", "alto", "tenor", "bass")


class Chorale(NamedTuple):
    """Four voices at every eighth note.

    Attributes:
        name: Of the work, such as "bwv269".
        pitches: `(frames, 4)` MIDI numbers, 0 is a rest.
        attacks: `(frames, 4)`, whether a note or rest begins at this frame, or between it and the last.
        sharps: Of the key signature; negative: flats.
        minor: The key's mode.
        beats: Quarters in a bar.
        upbeat: Quarters before the first whole bar.
    """

    name: str
    pitches: np.ndarray
    attacks: np.ndarray
    sharps: int
    minor: bool
    beats: int
    upbeat: int


def read_chorales() -> Iterator[Chorale]:
    """Those with four parts, by name. It takes music21 half a minute.

    Raises:
        ImportError: music21 is missing.
        ValueError: Its scores are others than those of the version that this was written for.
    """
    try:
        from music21 import converter, corpus
        from music21.corpus import chorales
    except ImportError as error:
        raise ImportError(
            f"The chorales come with music21, which is not installed: pip install music21=={VERSION}"
        ) from error
    names = sorted(set(chorales.Iterator(returnType="filename")))
    paths = [_score_file(corpus.getWork(name)) for name in names]
    _verify(paths)
    for name, path in zip(names, paths, strict=True):
        score = converter.parse(path, forceSource=True, storePickle=False)
        if len(score.parts) == len(VOICES):
            yield read_score(name.rpartition("/")[2], score)


def _score_file(found: Path | list[Path]) -> Path:
    """Some works come in two formats."""
    return found if isinstance(found, Path) else next(p for p in found if p.suffix == ".mxl")


def _verify(paths: list[Path]) -> None:
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.read_bytes())
    if digest.hexdigest() != SHA256:
        raise ValueError(
            f"Expected the scores of music21 {VERSION} with sha256 {SHA256}, found "
            f"{digest.hexdigest()} of {len(paths)} files. pip install music21=={VERSION}, or correct "
            "the pinned version and sha256."
        )


def read_score(name: str, score) -> Chorale:
    """From a music21 score of four parts, highest first."""
    flat = [part.flatten() for part in score.parts]
    frames = round(GRID * flat[0].highestTime)
    voices = [read_voice(part.notesAndRests, frames) for part in flat]
    key = flat[0].getElementsByClass("KeySignature")[0]
    bar = flat[0].getElementsByClass("TimeSignature")[0].barDuration.quarterLength
    first = score.parts[0].getElementsByClass("Measure")[0].duration.quarterLength
    return Chorale(
        name=name,
        pitches=np.stack([pitches for pitches, _ in voices], axis=1),
        attacks=np.stack([attacks for _, attacks in voices], axis=1),
        sharps=key.sharps,
        minor=getattr(key, "mode", None) == "minor",
        beats=round(bar),
        upbeat=round(first) % round(bar),
    )


def read_voice(notes, frames: int) -> tuple[np.ndarray, np.ndarray]:
    """The pitch of each frame, and whether another note or rest than the last frame's sounds there."""
    pitches, numbers = np.zeros((2, frames), np.int32)
    number, last = 0, None
    for note in notes:
        begin, end = (
            int(np.ceil(GRID * time)) for time in (note.offset, note.offset + note.quarterLength)
        )
        pitch = 0 if note.isRest else note.pitches[-1].midi
        # Of one tie the scores have the end without the begin.
        if note.tie is None or note.tie.type == "start" or pitch != last:
            number, last = number + 1, pitch
        pitches[begin:end], numbers[begin:end] = pitch, number
    return pitches, np.diff(numbers, prepend=0) != 0
