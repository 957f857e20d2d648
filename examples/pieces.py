"""Text as pieces of words, by SentencePiece: no word is unknown, and vocabularies stay small.

SentencePiece has libraries for phones and browsers, and its ids of padding, begin and end can be
those of `kr.applications`.
"""

import io
from collections.abc import Iterable, Sequence
from pathlib import Path

from sentencepiece import SentencePieceProcessor, SentencePieceTrainer

UNKNOWN = 3  # a character that the training text does not have


class Pieces:
    """A vocabulary learnt from a text; ids from 4 on, 0 to 2 being padding, begin and end.

    Args:
        texts: What to learn from.
        size: Number of ids. It must be large enough for all characters of the texts.
    """

    def __init__(self, texts: Iterable[str], size: int):
        learnt = io.BytesIO()
        SentencePieceTrainer.train(
            sentence_iterator=iter(texts),
            model_writer=learnt,
            vocab_size=size,
            model_type="bpe",
            pad_id=0,
            bos_id=1,
            eos_id=2,
            unk_id=UNKNOWN,
            character_coverage=1.0,
            num_threads=1,
            minloglevel=2,
        )
        self.model = learnt.getvalue()
        self._processor = SentencePieceProcessor(model_proto=self.model)

    def __len__(self) -> int:
        return self._processor.get_piece_size()

    def ids(self, text: str) -> list[int]:
        """A character that was not learnt becomes `UNKNOWN`."""
        return self._processor.encode(text)

    def text(self, ids: Sequence[int]) -> str:
        return self._processor.decode([int(number) for number in ids])

    def names(self, ids: Sequence[int]) -> list[str]:
        """The pieces; ▁ stands for the space in front of a word."""
        return [self._processor.id_to_piece(int(number)) for number in ids]

    def write(self, path: Path) -> None:
        """The file that SentencePiece's libraries read."""
        temporary = path.with_name(f".{path.name}.part")
        temporary.write_bytes(self.model)
        temporary.replace(path)
