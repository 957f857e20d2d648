"""Chorales as ids, voice by voice, and as piano rolls; in any key that the voices can sing."""

from typing import NamedTuple

import numpy as np

from examples.datasets.chorales import GRID, VOICES, Chorale

# The lowest and the highest MIDI number of each voice in all chorales.
RANGES = ((57, 81), (53, 74), (48, 69), (36, 64))
BEGIN, END = 1, 2
HOLD, REST, FIRST_PITCH = range(3)  # of a voice's own ids


def _first_ids() -> list[int]:
    sizes = [FIRST_PITCH + high - low + 1 for low, high in RANGES]
    return [END + 1 + sum(sizes[:voice]) for voice in range(len(VOICES) + 1)]


FIRST_IDS = _first_ids()
VOCABULARY_SIZE = FIRST_IDS[-1]
CONDITION_SIZES = (12, 2, 2, 2)  # key signature, mode, metre, upbeat


class Frames(NamedTuple):
    """Four voices on a grid: MIDI numbers, 0 for rests, and where a note or rest begins; `(T, 4)`."""

    pitches: np.ndarray
    attacks: np.ndarray


def frames_of(chorale: Chorale, per_quarter: int) -> Frames:
    """What sounds at every quarter (1) or eighth (2); what begins in between counts as late."""
    if per_quarter not in (1, GRID):
        raise ValueError(f"Frames are quarters (1) or eighths (2). Received: {per_quarter}")
    step = GRID // per_quarter
    # The last frame's later attacks and this frame's own: rows of `step` that end at a frame.
    begun = np.concatenate([np.zeros((step - 1, len(VOICES)), bool), chorale.attacks])
    begun = begun[: len(begun) // step * step].reshape(-1, step, len(VOICES)).any(1)
    pitches = chorale.pitches[::step]
    return Frames(pitches, begun[: len(pitches)])


def shifts(frames: Frames) -> range:
    """The semitones by which the chorale can be transposed within the voices' ranges, half an octave."""
    lowest, highest = -5, 6
    for voice, (low, high) in enumerate(RANGES):
        sung = frames.pitches[:, voice][frames.pitches[:, voice] > 0]
        if sung.size:
            lowest, highest = max(lowest, low - sung.min()), min(highest, high - sung.max())
    return range(int(lowest), int(highest) + 1)


def encode(frames: Frames, shift: int = 0) -> np.ndarray:
    """Ids `(4 T,)`: in each frame soprano, alto, tenor, bass begin a note, begin a rest, or hold on.

    Raises:
        ValueError: A note is out of its voice's range.
    """
    ids = np.empty(frames.pitches.shape, np.int32)
    for voice, (low, high) in enumerate(RANGES):
        pitches, begins = frames.pitches[:, voice], frames.attacks[:, voice].copy()
        begins[:1] = True
        notes = pitches > 0
        moved = pitches + shift
        if np.any(notes & ((moved < low) | (moved > high))):
            raise ValueError(
                f"The {VOICES[voice]} sings MIDI numbers {low} to {high}. Received: "
                f"{moved[notes].min()} to {moved[notes].max()}"
            )
        new = np.where(notes, moved - low + FIRST_PITCH, REST)
        ids[:, voice] = FIRST_IDS[voice] + np.where(begins, new, HOLD)
    return ids.reshape(-1)


def decode(ids: np.ndarray) -> Frames:
    """Frames from generated ids; an unfinished last frame is left out.

    What a model says out of turn, an id of another voice, counts as holding on; so does 0.
    """
    voices = len(VOICES)
    rows = np.asarray(ids)[: len(ids) // voices * voices].reshape(-1, voices)
    pitches, attacks = np.zeros(rows.shape, np.int32), np.zeros(rows.shape, bool)
    for voice, (low, high) in enumerate(RANGES):
        own = rows[:, voice] - FIRST_IDS[voice]
        valid = (own > HOLD) & (own < FIRST_PITCH + high - low + 1)
        new = np.where(own >= FIRST_PITCH, own - FIRST_PITCH + low, 0)
        since = np.maximum.accumulate(np.where(valid, np.arange(len(rows)), -1))
        pitches[:, voice] = np.where(since >= 0, new[since], 0)
        attacks[:, voice] = valid
    attacks[:1] = True
    return Frames(pitches, attacks)


def out_of_turn(ids: np.ndarray) -> int:
    """How many generated ids are not of the voice whose turn it is."""
    voices = np.searchsorted(FIRST_IDS, ids, side="right") - 1
    return int(np.sum(voices != np.arange(len(ids)) % len(VOICES)))


def condition_of(chorale: Chorale, shift: int = 0) -> tuple[int, int, int, int]:
    """Key signature (fifths above C modulo 12), minor, three in a bar, upbeat."""
    fifths = (chorale.sharps + 7 * shift) % 12
    return fifths, int(chorale.minor), int(chorale.beats % 3 == 0), int(chorale.upbeat > 0)


def piano_roll(frames: Frames, shift: int = 0) -> np.ndarray:
    """`(T, 88)` float32: 1 where a key of the piano, from A0 up, sounds."""
    roll = np.zeros((len(frames.pitches), 88), np.float32)
    times, voices = np.nonzero(frames.pitches)
    roll[times, frames.pitches[times, voices] + shift - 21] = 1
    return roll
