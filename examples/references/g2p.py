"""A published grapheme-to-phoneme model, GRU to GRU, as Keras models of our layers.

Park and Kim, g2p: how English words are spoken, letter by letter. The package computes in NumPy, one
word at a time; ours take any number of words. Both decode greedily.
"""

import io
from collections.abc import Callable, Iterable

import keras
import numpy as np

import keras_recurrent as kr
from examples.datasets.packages import Package, read_package_file

PACKAGE = Package(
    name="g2p_en",
    version="2.1.0",
    sha256="2a7aabf1fc7f270fcc3349881407988c9245173c2413debbe5432f4a4f31319f",
)
UNITS, LONGEST = 256, 20  # phonemes of a word
# fmt: off
VOWELS = [
    "AA", "AE", "AH", "AO", "AW", "AY", "EH", "ER", "EY", "IH", "IY", "OW", "OY", "UH", "UW",
]
CONSONANTS = [
    "B", "CH", "D", "DH", "F", "G", "HH", "JH", "K", "L", "M", "N", "NG", "P", "R", "S", "SH", "T",
    "TH", "V", "W", "Y", "Z", "ZH",
]
# fmt: on
_STRESSED = [vowel + stress for vowel in VOWELS for stress in "012"]
LETTERS = ["<pad>", "<unk>", "</s>", *"abcdefghijklmnopqrstuvwxyz"]
# Alphabetical, as in the checkpoint, which has one vowel without a stress too.
PHONEMES = ["<pad>", "<unk>", "<s>", "</s>", *sorted([*_STRESSED, *CONSONANTS, "UW"])]
START, END = PHONEMES.index("<s>"), PHONEMES.index("</s>")

# Letters (N, T) to states (N, 256).
Encode = Callable[[np.ndarray], np.ndarray]
# Phonemes (N, 1) and states (N, 256) to scores of the next ones (N, 74) and new states.
Decode = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]


def encoder() -> keras.Model:
    """Numbers of letters `(B, T)`, 0 where a word has ended, to what the GRU remembers of them."""
    stored = _checkpoint()
    letters = keras.Input((None,), dtype="int32", name="letters")
    x = keras.layers.Embedding(len(LETTERS), UNITS, mask_zero=True, name="letter")(letters)
    model = keras.Model(letters, kr.GRU(UNITS, name="gru")(x), name="g2p_encoder")
    model.get_layer("letter").set_weights([stored["enc_emb"]])
    model.get_layer("gru").set_weights(_from_torch_gru(stored, "enc"))
    return model


def decoder() -> keras.Model:
    """The last phoneme `(B, 1)` and the state `(B, 256)` to scores `(B, 74)` and the new state."""
    stored = _checkpoint()
    phoneme = keras.Input((1,), dtype="int32", name="phoneme")
    state = keras.Input((UNITS,), name="state")
    x = keras.layers.Embedding(len(PHONEMES), UNITS, name="previous")(phoneme)
    _, new_state = kr.GRU(UNITS, return_state=True, name="gru")(x, initial_state=state)
    scores = keras.layers.Dense(len(PHONEMES), name="scores")(new_state)
    outputs = {"scores": scores, "new_state": new_state}
    model = keras.Model({"phoneme": phoneme, "state": state}, outputs, name="g2p_decoder")
    model.get_layer("previous").set_weights([stored["dec_emb"]])
    model.get_layer("gru").set_weights(_from_torch_gru(stored, "dec"))
    model.get_layer("scores").set_weights([stored["fc_w"].T, stored["fc_b"]])
    return model


def letter_numbers(words: Iterable[str]) -> np.ndarray:
    """Words as rows of numbers, each closed by an end mark, padded with zeros."""
    rows = [[_LETTER.get(letter, 1) for letter in word.lower()] + [2] for word in words]
    numbers = np.zeros((len(rows), max(map(len, rows))), np.int32)
    for row, letters in zip(numbers, rows, strict=True):
        row[: len(letters)] = letters
    return numbers


_LETTER = {letter: number for number, letter in enumerate(LETTERS)}


def pronounce(words: list[str], encode: Encode, decode: Decode) -> list[list[str]]:
    """The phonemes of each word: at every step the one with the highest score."""
    state = encode(letter_numbers(words))
    phonemes = np.full((len(words), 1), START, np.int32)
    spoken = np.zeros((len(words), 0), np.int32)
    for _ in range(LONGEST):
        scores, state = decode(phonemes, state)
        phonemes = scores.argmax(1).astype(np.int32)[:, None]
        spoken = np.concatenate([spoken, phonemes], axis=1)
        if np.all(np.any(spoken == END, axis=1)):
            break
    return [_until_end(row) for row in spoken]


def _until_end(numbers: np.ndarray) -> list[str]:
    count = int(np.argmax(numbers == END)) if END in numbers else len(numbers)
    return [PHONEMES[number] for number in numbers[:count]]


def _checkpoint() -> dict[str, np.ndarray]:
    content = read_package_file(PACKAGE, "g2p_en/checkpoint20.npz")
    with np.load(io.BytesIO(content), allow_pickle=False) as stored:
        return dict(stored)


def _from_torch_gru(stored: dict, part: str) -> list[np.ndarray]:
    """Kernel, recurrent kernel and both biases: torch has the gates as rows, in the order r, z, n."""

    def reorder(rows):
        r, z, n = np.split(rows, 3)
        return np.concatenate([z, r, n])

    w_ih, w_hh, b_ih, b_hh = (
        reorder(stored[f"{part}_{name}"]) for name in ("w_ih", "w_hh", "b_ih", "b_hh")
    )
    return [w_ih.T, w_hh.T, np.stack([b_ih, b_hh])]
