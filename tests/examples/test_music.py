"""The example `music`: what is loaded, chorales as ids and back, and the score that is written."""

import os

import numpy as np
import pytest

from examples.datasets.chorales.tunes import group_by_tune
from examples.generation import sheet, voices
from examples.generation.voices import Frames


@pytest.fixture(scope="module")
def chorales():
    if not os.environ.get("CI"):
        pytest.importorskip("music21")
    from examples.datasets.chorales import load_chorales

    return load_chorales()


def test_what_is_loaded(chorales):
    assert {part: len(own) for part, own in chorales.items()} == {
        "train": 283,
        "validation": 20,
        "test": 28,
    }
    every = [chorale for own in chorales.values() for chorale in own]
    assert len({chorale.name for chorale in every}) == 331
    for chorale in every:
        assert chorale.pitches.shape == chorale.attacks.shape == (len(chorale.pitches), 4)
        changed = np.diff(chorale.pitches, axis=0) != 0
        assert chorale.attacks[1:][changed].all()
    known = {chorale.name: chorale for chorale in every}["bwv269"]
    # G major in three, an upbeat; the soprano sings G4, G4 D5, B4. A4 G4.
    assert (known.sharps, known.minor, known.beats, known.upbeat) == (1, False, 3, 1)
    begun = known.pitches[known.attacks[:, 0], 0]
    assert begun[:6].tolist() == [67, 67, 74, 71, 69, 67]


def test_no_tune_is_in_two_parts(chorales):
    parts = list(chorales)
    melodies = {part: [c.pitches[:, 0] for c in own] for part, own in chorales.items()}
    groups = group_by_tune([melody for part in parts for melody in melodies[part]])
    sides = np.repeat(np.arange(3), [len(melodies[part]) for part in parts])
    for group in set(groups):
        assert len(set(sides[np.array(groups) == group])) == 1


@pytest.mark.parametrize("per_quarter", [1, 2])
def test_ids_hold_all_of_a_chorale(chorales, per_quarter):
    for chorale in chorales["test"]:
        frames = voices.frames_of(chorale, per_quarter)
        for shift in (min(voices.shifts(frames)), 0, max(voices.shifts(frames))):
            ids = voices.encode(frames, shift)
            assert voices.out_of_turn(ids) == 0
            found = voices.decode(ids)
            sung = frames.pitches > 0
            np.testing.assert_array_equal(found.pitches, np.where(sung, frames.pitches + shift, 0))
            np.testing.assert_array_equal(found.attacks[1:], frames.attacks[1:])


def test_the_frames_of_quarters_keep_what_begins_between(chorales):
    chorale = chorales["test"][0]
    frames = voices.frames_of(chorale, 1)
    np.testing.assert_array_equal(frames.pitches, chorale.pitches[::2])
    between = chorale.attacks[1:-1:2] | chorale.attacks[2::2]
    np.testing.assert_array_equal(frames.attacks[1:], between)


def test_melodies_of_one_tune_are_found_in_any_key_and_rhythm():
    random = np.random.default_rng(0)
    one, other = (60 + np.cumsum(random.choice([-2, -1, 1, 2], 30)) for _ in range(2))
    slower_and_higher = np.repeat(one, 3) + 5
    extended = np.concatenate([one, other[:8]])
    assert group_by_tune([one, other, slower_and_higher, extended]) == [0, 1, 0, 0]
    assert group_by_tune([[60], []]) == [0, 1]


@pytest.fixture
def frames():
    """Five quarters of four voices, one of which rests at first."""
    pitches = np.array([[67, 60, 0, 48]] + [[72, 64, 55, 48]] * 3 + [[71, 62, 55, 43]], np.int32)
    attacks = np.zeros((5, 4), bool)
    attacks[[0, 1, 4]] = True
    attacks[1, 3] = attacks[4, 2] = False
    return Frames(pitches, attacks)


def test_what_is_out_of_turn_or_unfinished_holds_on(frames):
    ids = voices.encode(frames)
    ids[4] = ids[5]  # the alto's id in the soprano's place
    assert voices.out_of_turn(ids) == 1
    found = voices.decode(ids[:-1])
    assert len(found.pitches) == 4
    assert found.pitches[:, 0].tolist() == [67] * 4
    assert len(voices.decode(np.zeros(0, int)).pitches) == 0


def test_a_note_that_no_voice_has(frames):
    with pytest.raises(ValueError, match="alto sings MIDI numbers 53 to 74"):
        voices.encode(frames, shift=-9)


def test_conditions_follow_the_key(chorales):
    chorale = next(c for c in chorales["train"] if c.sharps == -1 and c.beats == 4 and c.upbeat)
    assert voices.condition_of(chorale) == (11, int(chorale.minor), 0, 1)
    assert voices.condition_of(chorale, 2)[0] == 1  # from one flat a tone up: one sharp


def test_the_score_says_what_the_frames_say(frames, tmp_path):
    if not os.environ.get("CI"):
        pytest.importorskip("music21")
        pytest.importorskip("verovio")
    from music21 import converter

    score = sheet.to_score(frames, 1, sharps=0, beats=4, upbeat=1)
    written = sheet.write_score(score, tmp_path / "chorale")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        path.name for path in written.values()
    )
    read = converter.parse(written["musicxml"])
    for voice, part in enumerate(read.parts):
        notes = part.stripTies().flatten().notesAndRests
        found = [(n.offset, n.quarterLength, 0 if n.isRest else n.pitch.midi) for n in notes]
        assert found == list(sheet.notes_of(frames, voice, 1))
    assert [len(bar.notesAndRests) for bar in read.parts[0].getElementsByClass("Measure")] == [1, 2]
    heard = converter.parse(written["mid"]).flatten().notes
    assert sum(n.quarterLength for n in heard) == pytest.approx(20 - 1)
    assert all(written[name].read_bytes()[:4] == b"\x89PNG" for name in ("png", "-dark.png"))
