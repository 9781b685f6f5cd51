"""The upright rules of tables and forms, which the engine reads as letters beside print."""

from collections.abc import Iterator
from typing import Final

import cv2
import numpy as np

from docmill.adapters.image import Pixels
from docmill_ocr.page_image import View

_SHADE: Final = 8  # gray levels of a rule in a preview, of whose pixels it covers a part
_LONGEST: Final = 16  # of the page's longer side the longest one is: few letters are 18 mm high
_SHARE: Final = 24  # of that side the others are ...
_HEIGHTS: Final = 6  # ... and times as long as a letter is high
_THICK: Final = 0.4  # of a letter's height, at most
_THINNEST: Final = 5  # pixels that a rule and the gray beside it are looked for within
_STEPS: Final = 6  # looks within the height of a letter: along a rule not every pixel is asked
_BAND: Final = 128  # rows of looks that are changed at once


def shown(darkness: Pixels) -> bool:
    """Whether there may be an upright rule in a preview; lines of print have paper between them."""
    along = np.ones((max(1, max(darkness.shape) // _LONGEST), 1), np.uint8)
    return bool(_eroded((darkness > _SHADE).view(np.uint8), along).any())


def without(view: View, height: float, least: int) -> View:
    """Return the page without its upright rules, itself where it has none.

    A rule is darker than what is on both sides of it by `least` gray levels, far longer than
    letters of the given height and thinner than they are. It gets the colour of its darker side.
    Level rules stay: by them the engine keeps the rows of a table together. Without a height
    nothing is taken for a rule.
    """
    pixels = view.pixels
    if not height:
        return view
    level = _cleared(pixels, height, least, standing=False)  # an upright one is then in one piece
    made = _cleared(level, height, least, standing=True)
    if made is level:
        return view
    for rows in _bands(pixels, _BAND):
        np.copyto(made[rows], pixels[rows], where=level[rows] != pixels[rows])
    return view.showing(made)


def _cleared(pixels: Pixels, height: float, least: int, *, standing: bool) -> Pixels:
    """Return a copy without the rules of one direction, the very pixels where there are none."""
    step = max(1, round(height / _STEPS)) | 1  # odd: the dots of a gray ground are even
    side = max(pixels.shape)
    length = max(side // _SHARE, round(_HEIGHTS * height)) // step | 1  # odd: its middle is exact
    across = _bar(max(_THINNEST, round(_THICK * height) | 1), standing=not standing)
    some = np.ascontiguousarray(pixels[::step] if standing else pixels[:, ::step])
    thin = (cv2.morphologyEx(some, cv2.MORPH_BLACKHAT, across) > least).view(np.uint8)
    wide = cv2.dilate(thin, _bar(3, standing=not standing))  # rules of scans are not quite level
    middles = _eroded(np.asarray(wide, np.uint8), _bar(length, standing=standing))
    longer = max(1, side // _LONGEST // step - length)
    if not _eroded(middles, _bar(longer, standing=standing)).any():
        return pixels
    size = (length + 2, 3) if standing else (3, length + 2)
    found = np.asarray(cv2.dilate(middles, np.ones(size, np.uint8)), np.uint8)
    made = pixels.copy()
    for rows in _bands(pixels, _BAND * step):
        looks = slice(rows.start // step, rows.start // step + _BAND)
        marked = found[looks if standing else rows]
        if marked.any():
            _closed(made, pixels, rows, marked, across)
    return made


def _bands(pixels: Pixels, height: int) -> Iterator[slice]:
    """Yield the rows of a page in bands, so that what is made of each stays small."""
    for top in range(0, len(pixels), height):
        yield slice(top, min(top + height, len(pixels)))


def _closed(made: Pixels, pixels: Pixels, rows: slice, found: Pixels, across: Pixels) -> None:
    """Close what was found in some rows: it gets the colour of its darker side.

    What goes across it stays.
    """
    above = min(rows.start, len(across))
    around = pixels[rows.start - above : rows.stop + len(across)]
    closed = cv2.morphologyEx(around, cv2.MORPH_CLOSE, across)[above:]
    part = made[rows]
    where = cv2.resize(found, part.shape[::-1], interpolation=cv2.INTER_NEAREST)
    cv2.copyTo(closed[: len(part)], where, part)


def _bar(length: int, *, standing: bool) -> Pixels:
    return np.ones((length, 1) if standing else (1, length), np.uint8)


def _eroded(marks: Pixels, kernel: Pixels) -> Pixels:
    """Erode; what is beyond the page's edge is no mark."""
    edge = cv2.BORDER_CONSTANT
    return np.asarray(cv2.erode(marks, kernel, borderType=edge, borderValue=(0,)), np.uint8)
