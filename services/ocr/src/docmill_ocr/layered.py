"""Invisible text laid on the words of a page."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final

import numpy as np

from docmill.adapters.pdf import Affine
from docmill.domain.rendering import by_level
from docmill.domain.words import PageText, Word
from docmill.domain.writing import Box, between, right_to_left
from docmill_ocr.glyphless import EM, WIDTH, Alphabet

FONT: Final = "/DocmillText"
_SMALLEST: Final = 0.1  # points; a font of size 0 is an error
# Numbers and Latin letters run to the right in any word, with the marks inside them.
_TO_THE_RIGHT: Final = re.compile(r"[\dA-Za-z]+(?:[.,:/-][\dA-Za-z]+)*")
# Where reading goes and where the letters' tops point, y down, by the page's rotation.
_DIRECTIONS: Final = {
    0: ((1, 0), (0, -1)),
    90: ((0, -1), (-1, 0)),
    180: ((-1, 0), (0, 1)),
    270: ((0, 1), (1, 0)),
}


@dataclass(frozen=True, slots=True)
class _Laid:
    """What is written for a run, and the box that its own characters fill."""

    text: str
    box: Box
    before: str = ""  # a space on the side where the next one stands
    after: str = ""


def layer(page: PageText, shown: Affine, size: tuple[float, float], alphabet: Alphabet) -> bytes:
    """Return the content that writes the page's words unseen.

    `shown` takes the PDF page's own space to points as shown, `size` is the page's in points.
    """
    scale = size[0] / page.width, size[1] / page.height
    lines = [f"q {_numbers(*inverse(shown))} cm BT 3 Tr"]
    for _, words in by_level(page.words, "line"):
        laid = _line(words, page.rotation)
        lines += (_written(each, page.rotation, scale, alphabet) for each in laid)
    return "\n".join([*lines, "ET Q\n"]).encode("ascii")


def _line(words: Sequence[Word], rotation: int) -> Iterator[_Laid]:
    runs = list(_runs(words))
    if any(right_to_left(run.text) for run in runs):
        runs = list(_evened(runs, 0 if rotation % 180 else 1))
    for run, following in pairwise((*runs, None)):
        assert run is not None  # noqa: S101  # only the last one of the chain is
        yield _laid(run, following, _DIRECTIONS[rotation][0])


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
    lefts, tops, rights, bottoms = zip(*(part.box for part in parts), strict=True)
    box = min(lefts), min(tops), max(rights), max(bottoms)
    return replace(parts[0], text="".join(part.text for part in parts), box=box)


def _laid(run: Word, following: Word | None, way: tuple[int, int]) -> _Laid:
    text = visual(run.text)
    if following is None:
        return _Laid(text, run.box)
    ahead = sum(step * (following.box[at] - run.box[at]) for at, step in enumerate(way)) >= 0
    return _Laid(text, run.box, after=" ") if ahead else _Laid(text, run.box, before=" ")


def _written(word: _Laid, rotation: int, scale: tuple[float, float], alphabet: Alphabet) -> str:
    (right, down), (up_x, up_y) = _DIRECTIONS[rotation]
    left, top = word.box[0] * scale[0], word.box[1] * scale[1]
    width, height = word.box[2] * scale[0] - left, word.box[3] * scale[1] - top
    length, tall = (width, height) if right else (height, width)
    indent = len(word.before) * length / len(word.text)
    # The corner where the baseline starts: behind the reading direction, below the letters' tops.
    x = left + width * ((right < 0) + (up_x < 0)) - right * indent
    y = top + height * ((down < 0) + (up_y < 0)) - down * indent
    font_size = max(tall, _SMALLEST)
    natural = len(word.text) * WIDTH / EM * font_size
    stretch = 100 * max(length, _SMALLEST) / natural
    matrix = _numbers(right, down, up_x, up_y, x, y)
    text = alphabet.encoded(f"{word.before}{word.text}{word.after}")
    return f"{FONT} {_numbers(font_size)} Tf {_numbers(stretch)} Tz {matrix} Tm {text} Tj"


def visual(text: str) -> str:
    """Return a word's characters from left to right, the order that extractors expect.

    pdfium (build 8149) and poppler (22.12) turn what runs to the left into reading order.
    """
    if not right_to_left(text):
        return text
    return _TO_THE_RIGHT.sub(lambda run: run[0][::-1], text[::-1])


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
