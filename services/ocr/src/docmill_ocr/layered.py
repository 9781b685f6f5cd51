"""Invisible text laid on the words of a page."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final, Self

from docmill.adapters.pdf import Affine
from docmill.domain.words import PageText, Word
from docmill_ocr.glyphless import ASCENT, EM, WIDTH, Alphabet

Directions = tuple[tuple[int, int], tuple[int, int]]

FONT: Final = "/DocmillText"
_SMALLEST: Final = 0.1  # points; a font of size 0 is an error
_ALIKE: Final = 1.4  # between the heights of a line of small letters and of one with high ones
_INITIAL: Final = 2.0
# Where reading goes and where the letters' tops point, y down, by the page's rotation.
_DIRECTIONS: Final[Mapping[int, Directions]] = {
    0: ((1, 0), (0, -1)),
    90: ((0, -1), (-1, 0)),
    180: ((-1, 0), (0, 1)),
    270: ((0, 1), (1, 0)),
}


def layer(page: PageText, shown: Affine, size: tuple[float, float], alphabet: Alphabet) -> bytes:
    """Return the content that writes the page's words unseen.

    `shown` takes the PDF page's own space to points as shown, `size` is the page's in points.
    """
    scale = size[0] / page.width, size[1] / page.height
    directions = _DIRECTIONS[page.rotation]
    places = [_Place.of(word, directions, scale) for word in page.words]
    heights = _heights(page.words, [place.height for place in places])
    lines = [f"q {_numbers(*inverse(shown))} cm BT 3 Tr"]
    for place, height, following in zip(places, heights, (*page.words[1:], None), strict=True):
        space = " " if following and following.line == place.word.line else ""
        lines.append(_written(place, height, directions, alphabet.encoded(place.word.text + space)))
    return "\n".join([*lines, "ET Q\n"]).encode("ascii")


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a word is on the page as shown, in points, along and across its reading direction."""

    word: Word
    corner: tuple[float, float]  # behind the reading direction, below the letters' tops
    length: float
    height: float

    @classmethod
    def of(cls, word: Word, directions: Directions, scale: tuple[float, float]) -> Self:
        (right, down), (up_x, up_y) = directions
        left, top = word.box[0] * scale[0], word.box[1] * scale[1]
        width, height = word.box[2] * scale[0] - left, word.box[3] * scale[1] - top
        corner = left + width * ((right < 0) + (up_x < 0)), top + height * ((down < 0) + (up_y < 0))
        sides = (width, height) if right else (height, width)
        return cls(word, corner, *(max(side, _SMALLEST) for side in sides))


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


def _written(place: _Place, height: float, directions: Directions, text: str) -> str:
    """Write a word as long as its box, its middle on the box's."""
    (right, down), (up_x, up_y) = directions
    above = (place.height - height) / 2
    x, y = place.corner[0] + up_x * above, place.corner[1] + up_y * above
    size = height * EM / ASCENT
    natural = len(place.word.text) * WIDTH / EM * size
    matrix = _numbers(right, down, up_x, up_y, x, y)
    stretch = _numbers(100 * place.length / natural)
    return f"{FONT} {_numbers(size)} Tf {stretch} Tz {matrix} Tm {text} Tj"


def inverse(affine: Affine) -> Affine:
    """Return the affine map that undoes the given one."""
    a, b, c, d, e, f = affine
    det = a * d - b * c
    return (
        d / det,
        -b / det,
        -c / det,
        a / det,
        (c * f - d * e) / det,
        (b * e - a * f) / det,
    )


def _numbers(*values: float) -> str:
    # `+ 0.0` turns a minus zero into a plain one.
    return " ".join(f"{round(value, 5) + 0.0:.5f}".rstrip("0").rstrip(".") for value in values)
