"""Translate short verses of the Bible from Spanish into English, with attention.

Trains `kr.applications.sequence_to_sequence` on 11,241 verses of at most 20 words, and scores it on
verses whose words stand in no training verse, beside copying the English of the training verse that
is most alike. Spanish into English, so that whoever reads this can judge the output, and since English
has fewer forms to learn from so little text. The files translate with NumPy alone.
"""

import argparse
import functools
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

if not __package__:  # run as a file: make `examples` importable from the checkout's root
    sys.path[0] = str(Path(__file__).resolve().parents[1])
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
from rich.console import Console
from rich.table import Table
from sacrebleu import BLEU, CHRF
from sklearn.feature_extraction.text import TfidfVectorizer

import keras_recurrent as kr
from examples.attention_pictures import Look, draw_looks
from examples.datasets.bible_verses import Bible, Verses, load_bible_verses
from examples.encoder_decoder import attention, decode_all, fit
from examples.outcome import Outcome, verdict, write_outcome
from examples.pair_batches import PairBatches
from examples.pieces import Pieces
from keras_recurrent import export

MOST_WORDS = 20
BOUNDS = (16, 22, 30, 48, 100)
MOST_PIECES, MAX_STEPS, BEAMS, LENGTH_PENALTY = 99, 64, 5, 1.0
SHOWN = 8


class Size(NamedTuple):
    """How much to train and to score."""

    verses: int | None  # of the training; None for all
    most_words: int  # of a training verse, in each language
    pieces: int  # of each language
    units: int
    embedding: int
    dropout: float
    batch: int
    epochs: int
    rate: float
    scored: int | None  # test verses; None for all
    scored_from_files: int
    engine: str = "auto"


SIZES = {
    "quick": Size(200, 20, 300, 16, 16, 0.0, 32, 1, 5e-3, 8, 4, "loop"),
    "default": Size(None, 20, 2000, 128, 96, 0.2, 32, 10, 3e-3, None, 100),
    "full": Size(None, 32, 4000, 256, 192, 0.3, 64, 25, 2e-3, None, 100),
}


class Languages(NamedTuple):
    """The pieces of both; Spanish is read without capitals."""

    spanish: Pieces
    english: Pieces

    @classmethod
    def learn(cls, verses: Verses, size: int) -> "Languages":
        return cls(Pieces(map(str.lower, verses.spanish), size), Pieces(verses.english, size))

    def read(self, spanish: str) -> list[int]:
        """Ids of a Spanish text; characters that it was not trained on become one id, unknown.

        Raises:
            ValueError: The text is empty, or longer than the training's verses.
        """
        ids = self.spanish.ids(spanish.lower())
        if not ids or len(ids) > MOST_PIECES:
            raise ValueError(
                f"A text to translate has from 1 to {MOST_PIECES} pieces: give a sentence of at most "
                f"some {MOST_WORDS} words. Received: {spanish[:60]!r} with {len(ids)} pieces"
            )
        return ids


def batches(verses: Verses, languages: Languages, batch: int, seed: int) -> PairBatches:
    """Pairs of verses that have at most `MOST_PIECES` in each language."""
    pairs = zip(
        map(languages.spanish.ids, map(str.lower, verses.spanish)),
        map(languages.english.ids, verses.english),
        strict=True,
    )
    short = [pair for pair in pairs if max(map(len, pair)) <= MOST_PIECES]
    spanish, english = zip(*short, strict=True)
    return PairBatches(spanish, english, batch, BOUNDS, seed)


def build(size: Size, languages: Languages) -> keras.Model:
    return kr.applications.sequence_to_sequence(
        len(languages.english),
        source_vocabulary=len(languages.spanish),
        cell="gru",
        units=size.units,
        embedding_dim=size.embedding,
        dropout=size.dropout,
        attention="dot",
        engine=size.engine,
    )


def pick(verses: Verses, count: int | None, seed: int = 0) -> Verses:
    """Verses drawn at random, in order."""
    if count is None or count >= len(verses.places):
        return verses
    chosen = np.sort(np.random.default_rng(seed).choice(len(verses.places), count, replace=False))
    return Verses(*([column[i] for i in chosen] for column in verses))


def train(data: Bible, languages: Languages, size: Size, seed: int) -> keras.Model:
    keras.utils.set_random_seed(seed)
    model = build(size, languages)
    watched = pick(data.validation, size.verses)
    parts = (batches(part, languages, size.batch, seed) for part in (data.train, watched))
    fit(model, *parts, size.epochs, size.rate)
    return model


def translate(
    decoder, languages: Languages, spanish: Sequence[str], beams: int = BEAMS
) -> list[str]:
    """English, by a decoder of `kr.applications` or of `export`; greedy with one beam."""
    if beams == 1:
        decode = functools.partial(decoder.greedy, max_steps=MAX_STEPS)
    else:
        decode = functools.partial(
            decoder.beam_search, max_steps=MAX_STEPS, beams=beams, length_penalty=LENGTH_PENALTY
        )
    ids = decode_all(decode, [languages.read(text) for text in spanish], at_once=64)
    return [languages.english.text(row) for row in ids]


def most_alike(train: Verses, spanish: Sequence[str]) -> list[str]:
    """The English of the training verse whose Spanish words and pairs of words are most alike."""
    vectorizer = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    known = vectorizer.fit_transform(train.spanish)
    alike = vectorizer.transform(spanish) @ known.T
    return [train.english[place] for place in np.asarray(alike.argmax(1)).ravel()]


class Score(NamedTuple):
    """Of so many verses, against one reference each; both from 0 to 100."""

    bleu: float
    chrf: float
    count: int


def score(said: Sequence[str], right: Sequence[str]) -> Score:
    bleu, chrf = (metric.corpus_score(said, [right]).score for metric in (BLEU(), CHRF()))
    return Score(bleu, chrf, len(right))


def signatures() -> str:
    """How sacrebleu computed both."""
    found = []
    for metric in (BLEU(), CHRF()):
        metric.corpus_score(["a"], [["a"]])
        found.append(f"{type(metric).__name__} {metric.get_signature()}")
    return "; ".join(found)


def print_scores(scores: dict[str, Score]) -> None:
    table = Table(title="verses that were not trained on")
    table.add_column("what translates them", no_wrap=True)
    for name in ("verses", "BLEU", "chrF"):
        table.add_column(name, justify="right")
    for name, found in scores.items():
        table.add_row(name, f"{found.count:,}", f"{found.bleu:.1f}", f"{found.chrf:.1f}")
    console = Console(width=100)
    console.print(table)
    console.print(signatures(), highlight=False)


def print_samples(verses: Verses, from_keras: Sequence[str], from_files: Sequence[str]) -> None:
    rows = zip(*verses, from_keras, from_files, strict=True)
    for place, english, spanish, keras_said, files_said in rows:
        print(f"\n{place}  {spanish}\n  reference   {english}\n  translated  {keras_said}")
        if files_said != keras_said:
            print(f"  from files  {files_said}")
    print()


def draw(model: keras.Model, languages: Languages, verse: str, path: Path) -> None:
    """Which Spanish pieces the model looked at for each English one."""
    source = languages.read(verse)
    decoder = kr.applications.Decoder(model)
    decode = functools.partial(decoder.greedy, max_steps=MAX_STEPS)
    (said,) = decode_all(decode, [source])
    labels = languages.spanish.names(source), [*languages.english.names(said), "end"]
    look = Look(*labels, attention(model, source, said))
    draw_looks([look], path, "What the decoder looks at for each piece", (7, 5.5), turned=60)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    how_much = parser.add_mutually_exclusive_group()
    how_much.add_argument("--quick", action="store_true", help="a small model on a few verses")
    how_much.add_argument("--full", action="store_true", help="a larger model, longer verses too")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--out", type=Path, default=Path("outputs/translation"))
    options = parser.parse_args(arguments)
    start = time.perf_counter()
    mode = "quick" if options.quick else "full" if options.full else "default"
    size = SIZES[mode]
    options.out.mkdir(parents=True, exist_ok=True)

    data = load_bible_verses(MOST_WORDS)
    longer = data if size.most_words == MOST_WORDS else load_bible_verses(size.most_words)
    data = data._replace(train=pick(longer.train, size.verses, options.seed))
    languages = Languages.learn(data.train, size.pieces)
    model = train(data, languages, size, options.seed)

    test, fewer = pick(data.test, size.scored), pick(data.test, size.scored_from_files)
    decoder = kr.applications.Decoder(model)
    said = {
        "copied from the training verse most alike": most_alike(data.train, test.spanish),
        "greedy": translate(decoder, languages, test.spanish, beams=1),
        f"{BEAMS} beams": translate(decoder, languages, test.spanish),
    }
    scores = {name: score(texts, test.english) for name, texts in said.items()}
    folder = options.out / "decoder"
    print(export.to_tflite_decoder(model, folder))
    export.Decoder.copy_to(
        folder
    )  # with SentencePiece, NumPy and an interpreter all that is needed
    for name, pieces in languages._asdict().items():
        pieces.write(options.out / f"{name}.model")
    from_keras = translate(decoder, languages, fewer.spanish)
    from_files = translate(export.Decoder(folder), languages, fewer.spanish)
    scores[f"{BEAMS} beams, fewer verses"] = score(from_keras, fewer.english)
    scores[f"{BEAMS} beams, files"] = score(from_files, fewer.english)
    print_samples(
        Verses(*(column[:SHOWN] for column in fewer)), from_keras[:SHOWN], from_files[:SHOWN]
    )
    print_scores(scores)
    shortest = min(fewer.spanish, key=len)
    draw(model, languages, shortest, options.out / "translation.png")
    same = np.mean([a == b for a, b in zip(from_keras, from_files, strict=True)])
    return _finish(options, mode, scores, same, (time.perf_counter() - start) / 60)


def _finish(options, mode: str, scores: dict[str, Score], same: float, minutes: float) -> int:
    reached, copied = scores[f"{BEAMS} beams"], scores["copied from the training verse most alike"]
    files = scores[f"{BEAMS} beams, files"]
    made = ("decoder/*.tflite", "*.model")
    write_outcome(
        options.out,
        Outcome(
            example="translation",
            kind="many to many, T_x ≠ T_y",
            data=f"Reina-Valera to World English Bible, {reached.count:,} test verses of at most "
            f"{MOST_WORDS} words",
            metric="BLEU",
            reached=reached.bleu,
            baseline=f"English of the training verse most alike: {copied.bleu:.1f}",
            goal=None,
            seed=options.seed,
            minutes=minutes,
            command=f"python examples/translation.py{'' if mode == 'default' else f' --{mode}'}",
            files={p.name: p.stat().st_size for m in made for p in sorted(options.out.glob(m))},
            notes=[
                f"chrF {reached.chrf:.1f}; of the copied verses {copied.chrf:.1f}.",
                f"BLEU {files.bleu:.1f} on {files.count} test verses from the files, "
                f"{scores[f'{BEAMS} beams, fewer verses'].bleu:.1f} from Keras.",
                signatures(),
            ],
        ),
    )
    return verdict({f"the files say what Keras says: {same:.0%}": same >= 0.95})


if __name__ == "__main__":
    sys.exit(main())
