"""Ruled pages with known words: tables as price lists, invoices and registers have them."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from docmill.testing.degradation import Pixels
from docmill.testing.passage import SENTENCES
from docmill.testing.pictures import Font
from docmill.testing.specimen import FACES, FIRST_SEED, TYPEFACES, Part

_PAPER: Final = 250
_INK: Final = 25
_MARGIN: Final = 0.8  # inches
_SIZES: Final = (8.5, 9, 10, 11, 12)  # points
_RULES: Final = (0.5, 0.75, 1.0)  # points
_PADDING: Final = (0.1, 0.2, 0.35, 0.6)  # of the size, between a rule and what is beside it


class Rules(StrEnum):
    """Where a table has rules."""

    GRID = "grid"
    COLUMNS = "columns"
    ROWS = "rows"
    BOX = "box"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruled:
    """One page and the words on it, row by row."""

    rules: Rules
    pixels: Pixels
    words: tuple[str, ...]
    dpi: int


def pages(part: Part, rules: Rules, each: int, *, dpi: int = 300) -> Iterator[Ruled]:
    """Yield so many pages, the same ones every time."""
    for number in range(each):
        yield page(FIRST_SEED[part] + number, TYPEFACES[part], rules, dpi=dpi)


def page(seed: int, typefaces: tuple[str, ...], rules: Rules, *, dpi: int = 300) -> Ruled:
    """Draw an A4 page with a heading and a table; what fits into a cell is told by its words."""
    draw = random.Random(seed)
    picture = Image.new("L", (round(8.27 * dpi), round(11.69 * dpi)), _PAPER)
    size = draw.choice(_SIZES) * dpi / 72
    face = ImageFont.truetype(FACES / draw.choice(typefaces), size)
    pen, edge = ImageDraw.Draw(picture), round(_MARGIN * dpi)
    heading = draw.choice(SENTENCES).split()[:6]
    pen.text((edge, edge), " ".join(heading), fill=_INK, font=face)
    padding = draw.choice(_PADDING) * size
    rows, columns = draw.randint(6, 20), draw.randint(3, 7)
    width, height = (picture.width - 2 * edge) // columns, round(1.15 * size + 1.6 * padding)
    top = edge + round(3 * size)
    words = list(heading)
    for row in range(rows):
        for column in range(columns):
            cell = _cell(draw, face, width - 2 * padding)
            left = edge + column * width + padding
            if draw.random() < 0.3:  # numbers stand at the right
                left += width - 2 * padding - face.getlength(" ".join(cell))
            place = left, top + row * height + 0.6 * padding
            pen.text(place, " ".join(cell), fill=_INK, font=face)
            words += cell
    thick = max(1, round(draw.choice(_RULES) * dpi / 72))
    for line in _lines(rules, (edge, top), (columns, width), (rows, height)):
        pen.rectangle((line[0], line[1], line[2] + thick - 1, line[3] + thick - 1), fill=_INK)
    return Ruled(rules=rules, pixels=np.asarray(picture).copy(), words=tuple(words), dpi=dpi)


def _cell(draw: random.Random, face: Font, width: float) -> list[str]:
    words: list[str] = []
    for _ in range(draw.choice((0, 1, 1, 2, 3))):
        if face.getlength(" ".join([*words, word := _word(draw)])) > width:
            break
        words.append(word)
    return words


def _word(draw: random.Random) -> str:
    kinds = (
        lambda: draw.choice(draw.choice(SENTENCES).split()).strip(".,;:"),
        lambda: f"{draw.randint(1, 9999)}.{draw.randint(0, 99):02d}",
        lambda: f"{draw.randint(1, 28)}/{draw.randint(1, 12)}/20{draw.randint(10, 26)}",
        lambda: f"{draw.choice('ABCDEKX')}{draw.randint(100, 9999)}",
    )
    return draw.choices(kinds, (5, 3, 1, 1))[0]()


def _lines(
    rules: Rules, corner: tuple[int, int], across: tuple[int, int], down: tuple[int, int]
) -> Iterator[tuple[int, int, int, int]]:
    (left, top), (columns, width), (rows, height) = corner, across, down
    right, bottom = left + columns * width, top + rows * height
    for row in range(rows + 1):
        if rules in {Rules.GRID, Rules.ROWS} or (rules is Rules.BOX and row in {0, 1, rows}):
            yield left, top + row * height, right, top + row * height
    for column in range(columns + 1):
        if rules in {Rules.GRID, Rules.COLUMNS} or (rules is Rules.BOX and column in {0, columns}):
            yield left + column * width, top, left + column * width, bottom
