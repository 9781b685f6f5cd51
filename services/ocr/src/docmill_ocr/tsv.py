"""Words from tesseract's TSV, the one form that the library and the program both give."""

from collections.abc import Iterator
from typing import Final

from docmill.domain.words import Word
from docmill.domain.writing import cleaned

_COLUMNS: Final = 12
_WORD_LEVEL: Final = "5"


def words(table: str) -> list[Word]:
    """Return the words in reading order; blocks, paragraphs and lines count from 0."""
    numbers: list[dict[tuple[str, ...], int]] = [{}, {}, {}]
    return list(_words(table, numbers))


def _words(table: str, numbers: list[dict[tuple[str, ...], int]]) -> Iterator[Word]:
    for row in table.splitlines():
        cells = row.split("\t", _COLUMNS - 1)
        if cells[0] != _WORD_LEVEL or not (text := cleaned("".join(cells[11].split()))):
            continue
        left, top, width, height = map(int, cells[6:10])
        block, paragraph, line = (
            seen.setdefault(tuple(cells[2 : 3 + level]), len(seen))
            for level, seen in enumerate(numbers)
        )
        box = (float(left), float(top), float(left + width), float(top + height))
        yield Word(text, box, round(float(cells[10]), 1), block, paragraph, line)
