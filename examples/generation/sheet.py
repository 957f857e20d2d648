"""Four voices as a score: a MIDI file to hear, MusicXML to open in an editor, a picture to read.

music21 writes the score, Verovio engraves it, resvg turns the drawing into pixels.
"""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from examples.datasets.chorales import VOICES
from examples.generation.voices import Frames
from examples.plots import DARK, LIGHT, Colours

CLEFS = ("treble", "treble", "treble8vb", "bass")
WIDTH = 1000  # pixels of the picture
TEMPO = 80  # quarters in a minute


def notes_of(frames: Frames, voice: int, per_quarter: int) -> Iterator[tuple[float, float, int]]:
    """Begin and length in quarters, and MIDI number (0: rest) of each note of a voice."""
    begins = np.flatnonzero(frames.attacks[:, voice])
    ends = [*begins[1:], len(frames.pitches)]
    for begin, end in zip(begins, ends, strict=True):
        length = (end - begin) / per_quarter
        yield begin / per_quarter, length, int(frames.pitches[begin, voice])


def to_score(frames: Frames, per_quarter: int, sharps: int, beats: int, upbeat: int):
    """A music21 score of four staves; notes that cross a bar line are tied.

    Args:
        frames: With at least one frame.
        per_quarter: Frames in a quarter note.
        sharps: Of the key signature; negative: flats.
        beats: Quarters in a bar.
        upbeat: Quarters before the first whole bar.
    """
    from music21 import clef, instrument, key, metadata, meter, stream

    score = stream.Score()
    score.metadata = metadata.Metadata(title="Chorale", composer="keras_recurrent")
    clefs = {"treble": clef.TrebleClef, "treble8vb": clef.Treble8vbClef, "bass": clef.BassClef}
    for voice, name in enumerate(VOICES):
        part = stream.Part(id=name)
        part.partName, part.partAbbreviation = name.capitalize(), name[0].upper()
        bars = _bars(len(frames.pitches) / per_quarter, beats, upbeat)
        pieces = list(notes_of(frames, voice, per_quarter))
        for number, (begin, end) in enumerate(bars, start=0 if upbeat else 1):
            bar = stream.Measure(number=number)
            if begin == 0:
                bar.append([clefs[CLEFS[voice]](), key.KeySignature(sharps)])
                bar.append(meter.TimeSignature(f"{beats}/4"))
                bar.paddingLeft = beats - upbeat if upbeat else 0
            for element in _elements(pieces, begin, end, sharps):
                bar.append(element)
            part.append(bar)
        part.insert(0, instrument.Organ())
        part.makeAccidentals(
            inPlace=True, cautionaryPitchClass=False, cautionaryNotImmediateRepeat=False
        )
        score.insert(0, part)
    return score


def _bars(length: float, beats: int, upbeat: int) -> list[tuple[float, float]]:
    begins = [0.0, *np.arange(upbeat or beats, length, beats)]
    return list(zip(begins, [*begins[1:], length], strict=True))


def _elements(pieces: list, begin: float, end: float, sharps: int) -> Iterator:
    """The notes and rests of a bar, with ties to the bars before and behind."""
    from music21 import note, tie

    for start, length, pitch in pieces:
        first, last = max(start, begin), min(start + length, end)
        if first >= last:
            continue
        if not pitch:
            yield note.Rest(quarterLength=last - first)
            continue
        written = note.Note(_spelled(pitch, sharps), quarterLength=last - first)
        before, behind = start < begin, start + length > end
        if before or behind:
            written.tie = tie.Tie(
                "continue" if before and behind else "stop" if before else "start"
            )
        yield written


def _spelled(midi: int, sharps: int):
    """F sharp in keys with sharps, G flat in keys with flats."""
    from music21 import pitch

    found = pitch.Pitch(midi)
    wrong = -1 if sharps > 0 else 1
    if found.accidental is not None and found.accidental.alter == wrong and abs(sharps) > 1:
        return found.getEnharmonic()
    return found


def write_score(score, path: Path) -> dict[str, Path]:
    """NAME.mid, NAME.musicxml, NAME.png and NAME-dark.png for `path`, which ends in NAME."""
    from music21 import tempo

    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        made = {}
        made["musicxml"] = Path(score.write("musicxml", fp=Path(folder) / "score.musicxml"))
        # To be heard, not to be read: the sign for it is missing in many fonts of text.
        score.parts[0].insert(0, tempo.MetronomeMark(number=TEMPO))
        made["mid"] = Path(score.write("midi", fp=Path(folder) / "score.mid"))
        drawing = _engraved(made["musicxml"].read_text())
        for colours, name in ((LIGHT, "png"), (DARK, "-dark.png")):
            made[name] = Path(folder) / f"score{len(made)}.png"
            made[name].write_bytes(_pixels(drawing, colours))
        places = {
            ending: path.with_name(f"{path.name}{'' if ending.startswith('-') else '.'}{ending}")
            for ending in made
        }
        for ending, place in places.items():
            os.replace(made[ending], place)
    return places


def _engraved(musicxml: str) -> str:
    """The first page of the score as SVG."""
    import verovio

    toolkit = verovio.toolkit()
    options = {"pageWidth": 2100, "adjustPageHeight": True, "scale": 40, "header": "none"}
    toolkit.setOptions({**options, "footer": "none", "svgViewBox": True, "pageHeight": 60000})
    if not toolkit.loadData(musicxml):
        raise RuntimeError("Verovio could not read the score that music21 wrote.")
    return toolkit.renderToSVG(1)


def _pixels(drawing: str, colours: Colours) -> bytes:
    import resvg_py

    # Lines take the first two of these, notes and words the last.
    inked = drawing.replace("currentColor", colours.ink)
    inked = inked.replace('color="black"', f'color="{colours.ink}"')
    inked = inked.replace("<svg ", f'<svg fill="{colours.ink}" ', 1)
    return bytes(
        resvg_py.svg_to_bytes(svg_string=inked, width=WIDTH, background=colours.background)
    )
