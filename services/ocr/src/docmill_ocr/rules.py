"""The rules of tables and forms, which the engine reads as letters where they are near print."""

from typing import Final

import cv2
import numpy as np

from docmill.adapters.image import Pixels
from docmill_ocr.page_image import View

_SHADE: Final = 8  # gray levels of a rule in a preview, of whose pixels it covers a part
_SHARE: Final = 24  # of the page's longer side that a rule has at least: 12 mm of A4 ...
_HEIGHTS: Final = 6  # ... and times as long as a letter is high
_THICK: Final = 0.4  # of a letter's height, at most
_USUAL: Final = 24.0  # pixels of a letter's height where there are too few to tell
_THINNEST: Final = 5  # pixels that a rule and the gray beside it are looked for within
_BAND: Final = 128  # looks: rows of the page that are changed at once
_STEPS: Final = 6  # looks within the height of a letter: along a rule not every pixel is asked


def upright(darkness: Pixels) -> bool:
    """Whether there may be an upright rule in a preview; lines of print have paper between them."""
    along = np.ones((max(darkness.shape) // _SHARE, 1), np.uint8)
    return bool(_eroded((darkness > _SHADE).view(np.uint8), along).any())


def without(view: View, height: float, least: int) -> View:
    """Return the page without its level and upright rules, itself where it has none.

    A rule is darker than what is on both sides of it by `least` gray levels, far longer than
    letters of the given height and thinner than they are. It gets the lighter colour of the
    two sides; what goes across it stays.
    """
    pixels = view.pixels
    for stands in (False, True):  # the level ones first: then nothing is left of where they met
        pixels = _cleared(pixels, height or _USUAL, least, upright=stands)
    return view if pixels is view.pixels else view.showing(pixels)


def _cleared(pixels: Pixels, height: float, least: int, *, upright: bool) -> Pixels:
    step = max(1, round(height / _STEPS))
    length = max(max(pixels.shape) // _SHARE, round(_HEIGHTS * height)) // step
    across = _bar(max(_THINNEST, round(_THICK * height) | 1), upright=not upright)
    some = np.ascontiguousarray(pixels[::step] if upright else pixels[:, ::step])
    thin = (cv2.morphologyEx(some, cv2.MORPH_BLACKHAT, across) > least).view(np.uint8)
    wide = cv2.dilate(thin, _bar(3, upright=not upright))  # rules of scans are not quite level
    middles = _eroded(np.asarray(wide, np.uint8), _bar(length, upright=upright))
    if not middles.any():
        return pixels
    size = (length + 2, 3) if upright else (3, length + 2)
    found = np.asarray(cv2.dilate(middles, np.ones(size, np.uint8)), np.uint8)
    made = pixels.copy()
    for top in range(0, len(pixels), _BAND * step):  # one copy of the whole is enough
        rows = slice(top, min(top + _BAND * step, len(pixels)))
        marked = found[top // step : top // step + _BAND] if upright else found[rows]
        if marked.any():
            _lighten(made, pixels, rows, marked, across)
    return made


def _lighten(made: Pixels, pixels: Pixels, rows: slice, found: Pixels, across: Pixels) -> None:
    """Give what was found in some rows the lighter colour of its two sides."""
    above = min(rows.start, len(across))
    around = pixels[rows.start - above : rows.stop + len(across)]
    lighter = cv2.morphologyEx(around, cv2.MORPH_CLOSE, across)[above:]
    part = made[rows]
    where = cv2.resize(found, part.shape[::-1], interpolation=cv2.INTER_NEAREST)
    cv2.copyTo(lighter[: len(part)], where, part)


def _bar(length: int, *, upright: bool) -> Pixels:
    return np.ones((length, 1) if upright else (1, length), np.uint8)


def _eroded(marks: Pixels, kernel: Pixels) -> Pixels:
    """Erode; what is beyond the page's edge is no mark."""
    edge = cv2.BORDER_CONSTANT
    return np.asarray(cv2.erode(marks, kernel, borderType=edge, borderValue=(0,)), np.uint8)
