"""RapidOCR: PaddleOCR's models in ONNX, for a second reading of pages that went badly."""

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any, Final

import cv2

from docmill.adapters.image import Pixels
from docmill.domain.words import Word
from docmill.domain.writing import Box, cleaned
from docmill_ocr import tessdata
from docmill_ocr.engine import SMALLEST

# By tesseract's names, those all of whose letters the one model of the wheel knows.
_LANGUAGES: Final = (
    *("ces", "chi_sim", "chi_tra", "dan", "deu", "eng", "fin", "fra", "hun", "isl", "ita", "jpn"),
    *("nld", "nor", "pol", "por", "ron", "spa", "swe", "tur"),
)
_OPTIONS: Final[dict[str, object]] = {
    "Global.use_cls": False,  # the reader turns pages upright
    "Global.log_level": "critical",
    # Every core has its own slot already.
    "EngineConfig.onnxruntime.intra_op_num_threads": 1,
    "EngineConfig.onnxruntime.inter_op_num_threads": 1,
}
_DETECTION: Final = "PP-OCRv6_det_small.onnx"
_RECOGNITION: Final = "PP-OCRv6_rec_small.onnx"
_ON_A_LINE: Final = 0.5  # of the lower one's height that two pieces of a line have in common

_BETWEEN_COLUMNS: Final = 1.0  # heights of a line
_BETWEEN_BLOCKS: Final = 1.0
_LONG: Final = 8  # heights; the lines of columns of text are longer, those of a table's are not
_SUREST: Final = 99.9  # 100 is for a file's own words
_WORD: Final = re.compile(r"\S+")


@dataclass(frozen=True, slots=True)
class Piece:
    """What was found as one run of text."""

    text: str
    sure: float  # in percent
    box: Box


class RapidocrEngine:
    """One set of models for all its languages, loaded by the first page that needs it."""

    def __init__(self) -> None:
        self._version = version("rapidocr")
        self._loaded: Any = None

    @property
    def name(self) -> str:
        return f"rapidocr {self._version}"

    @property
    def languages(self) -> tuple[str, ...]:
        return _LANGUAGES

    def model(self, language: str) -> str:
        tessdata.joined([language], self.languages)
        return Path(_RECOGNITION).stem  # which bytes that are the wheel's version tells

    def warm(self, languages: Sequence[str]) -> None:
        tessdata.joined(languages, self.languages)
        if self._loaded is None:
            self._loaded = _opened()

    def recognise(
        self,
        pixels: Pixels,
        languages: Sequence[str],
        dpi: int,  # noqa: ARG002 - it looks at letters of any size
        *,
        one_block: bool = False,  # noqa: ARG002 - it looks for text everywhere
    ) -> list[Word]:
        self.warm(languages)
        if min(pixels.shape) < SMALLEST:
            return []
        found = self._loaded(cv2.cvtColor(pixels, cv2.COLOR_GRAY2BGR))
        return list(_arranged(list(_pieces(found)))) if found.txts else []


def _opened() -> Any:
    import rapidocr  # noqa: PLC0415  # it and its runtime take 100 MB, and may not be installed

    models = Path(rapidocr.__file__).parent / "models"  # named, so that it looks for none elsewhere
    named = {
        "Det.model_path": str(models / _DETECTION),
        "Rec.model_path": str(models / _RECOGNITION),
    }
    return rapidocr.RapidOCR(params=_OPTIONS | named)


def _pieces(found: Any) -> Iterator[Piece]:
    for text, score, corners in zip(found.txts, found.scores, found.boxes, strict=True):
        (left, top), (right, bottom) = corners.min(axis=0).tolist(), corners.max(axis=0).tolist()
        sure = min(round(100 * float(score), 1), _SUREST)
        yield Piece(text, sure, (left, top, right, bottom))


def _arranged(pieces: list[Piece]) -> Iterator[Word]:
    """Yield the words in reading order, which it does not tell of columns."""
    number = 0
    for block, part in enumerate(_blocks(pieces)):
        for line in _lines(part):
            for piece in line:
                yield from _words(piece, block, number)
            number += 1


def _blocks(pieces: list[Piece]) -> Iterator[list[Piece]]:
    """Part columns of running text from each other, then what stands above from what is below."""
    usual = median(piece.box[3] - piece.box[1] for piece in pieces)
    columns = _parts(pieces, 0, _BETWEEN_COLUMNS * usual)
    prose = all(_usual_width(column) >= _LONG * usual for column in columns)
    parts = columns if prose and len(columns) > 1 else _parts(pieces, 1, _BETWEEN_BLOCKS * usual)
    if len(parts) == 1:
        yield pieces
        return
    for part in parts:
        yield from _blocks(part)


def _parts(pieces: list[Piece], axis: int, gap: float) -> list[list[Piece]]:
    """Part pieces where a gap runs through all of them."""
    parts: list[list[Piece]] = []
    end = -math.inf
    for piece in sorted(pieces, key=lambda piece: piece.box[axis]):
        if piece.box[axis] - end > gap:
            parts.append([])
        parts[-1].append(piece)
        end = max(end, piece.box[axis + 2])
    return parts


def _usual_width(pieces: list[Piece]) -> float:
    return median(piece.box[2] - piece.box[0] for piece in pieces)


def _lines(pieces: Iterable[Piece]) -> Iterator[list[Piece]]:
    """Yield the pieces of each line from left to right, the lines from top to bottom."""
    line: list[Piece] = []
    for piece in sorted(pieces, key=lambda piece: piece.box[1] + piece.box[3]):
        if line and not _beside(line[-1].box, piece.box):
            yield sorted(line, key=lambda piece: piece.box[0])
            line = []
        line.append(piece)
    if line:
        yield sorted(line, key=lambda piece: piece.box[0])


def _beside(one: Box, other: Box) -> bool:
    common = min(one[3], other[3]) - max(one[1], other[1])
    return common >= _ON_A_LINE * min(one[3] - one[1], other[3] - other[1])


def _words(piece: Piece, block: int, line: int) -> Iterator[Word]:
    """Share the piece's box among its words by their characters: it tells no boxes of words."""
    step = (piece.box[2] - piece.box[0]) / max(len(piece.text), 1)
    for found in _WORD.finditer(piece.text):
        left, right = (piece.box[0] + step * at for at in found.span())
        if text := cleaned(found[0]):
            yield Word(
                text, (left, piece.box[1], right, piece.box[3]), piece.sure, block, block, line
            )
