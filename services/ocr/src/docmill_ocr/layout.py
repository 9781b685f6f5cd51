"""Whether a page is one block of lines, among which the engine need not look for columns."""

from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from docmill.adapters.image import Pixels

_SPACE: Final = 2.0  # letter heights between two words at most; columns are 2.5 and more apart
_LEAST_SPACE: Final = 5  # pixels; on a coarser mask words and columns look alike
_MOST_MARKS: Final = 500  # a full page has two or three to a line
_DOT: Final = (4, 2)  # width and height of what may belong to a letter
_NEAR: Final = 4  # pixels between a dot and its line
_TALL: Final = 2.5  # usual heights of a line
_LOW: Final = 0.6  # of a line's usual height; smaller print needs finer pixels
_LONG: Final = 8.0  # usual heights that a line of smaller print is wide at least
_PITCH: Final = 1.6  # usual distances between two lines
_FULL: Final = 0.75  # share of ink that no line of letters has
_WIDE: Final = 20  # pixels of what is judged by its share of ink

Boxes = npt.NDArray[np.int32]  # a row each: left, top, right, bottom


def one_block(marks: Pixels, letter: float) -> bool:
    """Whether lines of text stand under one another at even distances, with nothing beside them.

    `marks` is a small mask of the ink, `letter` the usual height of a letter in its pixels, 0 when
    unknown. In doubt it is not.
    """
    space = int(_SPACE * letter)
    if space < _LEAST_SPACE:
        return False
    boxes = _boxes(marks, space)
    if len(boxes) > _MOST_MARKS:
        return False
    small = np.all(boxes[:, 2:] - boxes[:, :2] <= _DOT, axis=1)
    lines, dots = boxes[~small], boxes[small]
    return (
        len(lines) > 0
        and not _side_by_side(lines)
        and _even(lines)
        and not _filled(marks, lines)
        and _belong(dots, lines)
    )


def _boxes(marks: Pixels, space: int) -> Boxes:
    """Return what hangs together once gaps narrower than a space are closed."""
    wide = np.pad(marks, ((0, 0), (space, space)))  # closing would reach the edges of the page
    joined = cv2.morphologyEx(wide, cv2.MORPH_CLOSE, np.ones((1, space | 1), np.uint8))
    _, _, found, _ = cv2.connectedComponentsWithStatsWithAlgorithm(
        joined, 8, cv2.CV_32S, cv2.CCL_BBDT
    )
    boxes = np.array(found[1:, : cv2.CC_STAT_AREA], dtype=np.int32)
    boxes[:, 0] -= space
    boxes[:, 2:] += boxes[:, :2]
    return boxes


def _side_by_side(lines: Boxes) -> bool:
    """Whether two lie at the same height and apart: columns, a table, a date across from a name."""
    left, top, right, bottom = lines.T
    apart = np.maximum.outer(left, left) > np.minimum.outer(right, right)
    shared = np.minimum.outer(bottom, bottom) - np.maximum.outer(top, top)
    height = bottom - top
    return bool(np.any(apart & (2 * shared > np.minimum.outer(height, height))))


def _even(lines: Boxes) -> bool:
    """Whether lines are of much the same height and distance; a picture or a new part is not."""
    height, width = lines[:, 3] - lines[:, 1], lines[:, 2] - lines[:, 0]
    usual = np.median(height)
    small = (height < _LOW * usual) & (width > _LONG * usual)
    if np.any(small | (height > _TALL * usual)):
        return False
    pitch = np.diff(np.sort(lines[:, 1] + lines[:, 3]))
    return len(pitch) == 0 or bool(np.all(pitch <= _PITCH * np.median(pitch)))


def _filled(marks: Pixels, lines: Boxes) -> bool:
    """Whether one is a rule or a bar."""
    left, top, right, bottom = lines.T
    sums = cv2.integral(marks)
    inked = sums[bottom, right] - sums[top, right] - sums[bottom, left] + sums[top, left]
    width, height = right - left, bottom - top
    return bool(np.any((inked > _FULL * width * height) & (width > _WIDE)))


def _belong(dots: Boxes, lines: Boxes) -> bool:
    """Whether every dot is part of a line, and none is dust."""
    left, top, right, bottom = lines.T
    x, y = dots[:, :1], dots[:, 1:2]
    near = (x >= left - _NEAR) & (x <= right + _NEAR) & (y >= top - _NEAR) & (y <= bottom + _NEAR)
    return bool(near.any(axis=1).all())
