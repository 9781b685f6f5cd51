"""Invisible text laid on the words of a page."""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import median
from typing import Final, Self

import numpy as np

from docmill.adapters.pdf import Affine, inverse
from docmill.domain.rendering import by_level
from docmill.domain.words import PageText, Word
from docmill.domain.writing import between, right_to_left
from docmill_ocr.glyphless import ASCENT, EM, WIDTH, Alphabet

Directions = tuple[tuple[int, int], tuple[int, int]]

_SMALLEST: Final = 0.1  # points; a font of size 0 is an error
_ALIKE: Final = 1.4  # between the heights of a line of small letters and of one with high ones
_INITIAL: Final = 2.0
# Numbers and Latin letters run to the right in any word, with the marks inside them.
_TO_THE_RIGHT: Final = re.compile(r"[\dA-Za-z]+(?:[.,:/-][\dA-Za-z]+)*")
# Where reading goes and where the letters' tops point, y down, by the page's rotation.
_DIRECTIONS: Final[Mapping[int, Directions]] = {
    0: ((1, 0), (0, -1)),
    90: ((0, -1), (-1, 0)),
    180: ((-1, 0), (0, 1)),
    270: ((0, 1), (1, 0)),
}


@dataclass(frozen=True, slots=True)
class _Run:
    """What is written in one go: its characters as they stand from left to right, and its box."""

    word: Word
    before: str = ""  # a space on the side where the next one stands
    after: str = ""


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a run is on the page as shown, in points, along and across its reading direction."""

    run: _Run
    corner: tuple[float, float]  # behind the reading direction, below the letters' tops
    length: float
    height: float

    @classmethod
    def of(cls, run: _Run, directions: Directions, scale: tuple[float, float]) -> Self:
        (right, down), (up_x, up_y) = directions
        box = run.word.box
        left, top = box[0] * scale[0], box[1] * scale[1]
        width, height = box[2] * scale[0] - left, box[3] * scale[1] - top
        corner = left + width * ((right < 0) + (up_x < 0)), top + height * ((down < 0) + (up_y < 0))
        sides = (width, height) if right else (height, width)
        return cls(run, corner, *(max(side, _SMALLEST) for side in sides))


def layer(
    page: PageText, shown: Affine, size: tuple[float, float], alphabet: Alphabet, font: str
) -> bytes:
    """Return the content that writes the page's words unseen, in the font of that name.

    `shown` takes the PDF page's own space to points as shown, `size` is the page's in points.
    """
    scale = size[0] / page.width, size[1] / page.height
    directions = _DIRECTIONS[page.rotation]
    of_lines = (_line(words, page.rotation) for _, words in by_level(page.words, "line"))
    places = [_Place.of(run, directions, scale) for runs in of_lines for run in runs]
    heights = _heights([place.run.word for place in places], [place.height for place in places])
    lines = [f"q {_numbers(*inverse(shown))} cm BT 3 Tr"]
    for place, height in zip(places, heights, strict=True):
        lines.append(f"{font} {_written(place, height, directions, alphabet)}")
    return "\n".join([*lines, "ET Q\n"]).encode("ascii")


def _line(words: Sequence[Word], rotation: int) -> Iterator[_Run]:
    runs = list(_runs(words))
    if any(right_to_left(run.text) for run in runs):
        runs = list(_evened(runs, 0 if rotation % 180 else 1))
    for run, following in pairwise((*runs, None)):
        assert run is not None  # noqa: S101  # only the last one of the chain is
        yield _spaced(run, following, _DIRECTIONS[rotation][0])


def _runs(words: Sequence[Word]) -> Iterator[Word]:
    """Yield the words of a line, those with no space between them as one.

    Extractors would take gaps for spaces, and what is higher or lower for another line.
    """
    parts: list[Word] = []
    for word in words:
        if parts and between(parts[-1], word):
            yield _joined(parts)
            parts = []
        parts.append(word)
    yield _joined(parts)


def _evened(runs: Sequence[Word], axis: int) -> Iterator[Word]:
    """Yield the words on one straight line, all as high as they usually are there.

    Extractors take letters of many heights for many lines, whose order they turn each by itself.
    """
    boxes = np.array([run.box for run in runs])
    middles, places = (boxes[:, (at, at + 2)].mean(axis=1) for at in (axis, 1 - axis))
    along = places - places.mean()
    slope = along @ middles / max(along @ along, 1.0)  # by least squares
    half = np.median(boxes[:, axis + 2] - boxes[:, axis]) / 2
    boxes[:, axis] = middles.mean() + slope * along - half
    boxes[:, axis + 2] = middles.mean() + slope * along + half
    for run, (left, top, right, bottom) in zip(runs, boxes.tolist(), strict=True):
        yield replace(run, box=(left, top, right, bottom))


def _joined(parts: Sequence[Word]) -> Word:
    if len(parts) == 1:
        return parts[0]
    lefts, tops, rights, bottoms = zip(*(part.box for part in parts), strict=True)
    box = min(lefts), min(tops), max(rights), max(bottoms)
    return replace(parts[0], text="".join(part.text for part in parts), box=box)


def _spaced(run: Word, following: Word | None, way: tuple[int, int]) -> _Run:
    shown = replace(run, text=visual(run.text)) if right_to_left(run.text) else run
    if following is None:
        return _Run(shown)
    ahead = sum(step * (following.box[at] - run.box[at]) for at, step in enumerate(way)) >= 0
    return _Run(shown, after=" ") if ahead else _Run(shown, before=" ")


def _heights(words: Sequence[Word], own: Sequence[float]) -> Iterator[float]:
    """Yield how high each word is written: as high as its block, for one size makes a text.

    Poppler (22.12) takes words for parts of other columns that differ by a twentieth, and boxes do
    by half, with their letters. A line of another size is a heading, a much higher word an initial.
    """
    blocks, lines = defaultdict[int, list[float]](list), defaultdict[int, list[float]](list)
    for word, height in zip(words, own, strict=True):
        blocks[word.block].append(height)
        lines[word.line].append(height)
    usual = {block: median(heights) for block, heights in blocks.items()}
    of_line = {line: median(heights) for line, heights in lines.items()}
    for word, height in zip(words, own, strict=True):
        near = 1 / _ALIKE < of_line[word.line] / usual[word.block] < _ALIKE
        common = usual[word.block] if near else of_line[word.line]
        yield height if height > _INITIAL * common else common


def _written(place: _Place, height: float, directions: Directions, alphabet: Alphabet) -> str:
    """Write a run as long as its box, its middle on the box's; the font's name goes before."""
    (right, down), (up_x, up_y) = directions
    run, above = place.run, (place.height - height) / 2
    indent = len(run.before) * place.length / len(run.word.text)
    x = place.corner[0] + up_x * above - right * indent
    y = place.corner[1] + up_y * above - down * indent
    size = height * EM / ASCENT
    natural = len(run.word.text) * WIDTH / EM * size
    matrix = _numbers(right, down, up_x, up_y, x, y)
    stretch = _numbers(100 * place.length / natural)
    text = alphabet.encoded(f"{run.before}{run.word.text}{run.after}")
    return f"{_numbers(size)} Tf {stretch} Tz {matrix} Tm {text} Tj"


def visual(text: str) -> str:
    """Return a word's characters from left to right, the order that extractors expect.

    pdfium (build 8149) and poppler (22.12) turn what runs to the left into reading order.
    """
    if not right_to_left(text):
        return text
    return _TO_THE_RIGHT.sub(lambda run: run[0][::-1], text[::-1])


def _numbers(*values: float) -> str:
    # `+ 0.0` turns a minus zero into a plain one.
    return " ".join(f"{round(value, 5) + 0.0:.5f}".rstrip("0").rstrip(".") for value in values)
