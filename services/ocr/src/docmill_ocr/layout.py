"""Where a page's lines of text lie, if lines are all it has: the engine need not search it."""

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
_TALLEST: Final = 4.0  # heights of a letter
_LOW: Final = 0.6  # of a line's usual height; smaller print needs finer pixels
_LONG: Final = 8.0  # usual heights that a line of smaller print is wide at least
_PITCH: Final = 1.6  # usual distances between two lines of a block
_FULL: Final = 0.75  # share of ink that no line of letters has
_WIDE: Final = 20  # pixels of what is judged by its share of ink
_FEWEST: Final = 5  # lines of a column of text
_MEASURE: Final = 20.0  # letter heights that it is wide at least; the columns of a table are not
_REACHED: Final = 0.8  # of its width, by at least half of its lines
_HALF: Final = 0.5
_FEW: Final = 3  # lines; what runs through fewer says nothing
_NEARLY_ALL: Final = 0.9  # of the lines
_GUTTER: Final = 0.7  # letter heights that one is wide at least
_FAR: Final = 3.0  # usual distances between two lines, from a header or footer to the text

Boxes = npt.NDArray[np.int32]  # a row each: left, top, right, bottom


def blocks(marks: Pixels, letter: float) -> list[Boxes]:
    """Return the lines of a page that has nothing else, block by block as they are read.

    Within a block they stand under one another at even distances; blocks do so too, or side by
    side as columns of text. `marks` is a small mask of the ink, `letter` the usual height of a
    letter in its pixels, 0 when unknown. Empty for any other page and in doubt.
    """
    space = int(_SPACE * letter)
    if space < _LEAST_SPACE:
        return []
    boxes = _boxes(marks, space)
    if len(boxes) > _MOST_MARKS:
        return []
    small = np.all(boxes[:, 2:] - boxes[:, :2] <= _DOT, axis=1)
    lines, dots = boxes[~small], boxes[small]
    if not (len(lines) > 0 and _alike(lines, letter) and _belong(dots, lines)):
        return []
    if _filled(marks, lines):
        return []
    found = _ordered(lines, space, _MEASURE * letter)
    usual = float(np.median(lines[:, 3] - lines[:, 1]))
    sound = all(_sound(part, usual) and not _parted(marks, part, letter) for part in found)
    return found if sound else []


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


def _beside(lines: Boxes) -> npt.NDArray[np.bool_]:
    """Tell of each whether another stands at its side: columns, a table, a date across from a name.

    It does at the same height and apart, and between the lines before and after it as well.
    """
    left, top, right, bottom = lines.T
    apart = np.maximum.outer(left, left) > np.minimum.outer(right, right)
    shared = np.minimum.outer(bottom, bottom) - np.maximum.outer(top, top)
    height = bottom - top
    found: npt.NDArray[np.bool_] = np.any(
        apart & (2 * shared > np.minimum.outer(height, height)), axis=1
    )
    order = np.argsort(top + bottom, kind="stable")
    after = apart[order[:-1], order[1:]]
    found[order[1:-1][after[:-1] & after[1:]]] = True
    return found


def _alike(lines: Boxes, letter: float) -> bool:
    """Whether lines are of much the same height: no picture is among them, and no small print.

    Where rules join all of a table it is one line, and as high as lines usually are.
    """
    height, width = lines[:, 3] - lines[:, 1], lines[:, 2] - lines[:, 0]
    usual = np.median(height)
    small = (height < _LOW * usual) & (width > _LONG * usual)
    return not np.any(small | (height > _TALL * usual) | (height > _TALLEST * letter))


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


def _sound(part: Boxes, usual: float) -> bool:
    """Whether lines stand under one another, and at least one is as high as lines usually are."""
    _, top, _, bottom = part.T
    height = bottom - top
    # An initial of two lines' height reaches into the second.
    clear = 2 * (bottom[:-1] - top[1:]) <= np.minimum(height[:-1], height[1:])
    return bool(height.max() >= _LOW * usual and clear.all() and not _beside(part).any())


def _parted(marks: Pixels, part: Boxes, letter: float) -> bool:
    """Whether paper runs down through nearly all lines: columns hardly farther apart than words."""
    left, right = part[:, 0].min(), part[:, 2].max()
    inked = np.array([marks[top:bottom, left:right].any(axis=0) for _, top, _, bottom in part])
    within = np.logical_or.accumulate(inked, axis=1)
    within &= np.logical_or.accumulate(inked[:, ::-1], axis=1)[:, ::-1]
    lines = within.sum(axis=0)
    through = (within & ~inked).sum(axis=0) >= _NEARLY_ALL * lines
    through &= lines >= max(_FEW, len(part) / 2)
    gutter = np.ones((1, max(2, round(_GUTTER * letter))), np.uint8)
    return bool(cv2.erode(through.astype(np.uint8)[None], gutter).any())


# ── the order of reading ─────────────────────────────────────────────────────────────────────────
def _ordered(lines: Boxes, space: int, measure: float) -> list[Boxes]:
    """Return the blocks in turn; none where what lies side by side is no text in columns."""
    rows = _groups(lines[:, 1], lines[:, 3])
    beside = rows[_beside(lines)]
    if not len(beside):
        return _parts(lines)
    first, last = _reach(lines, rows, (beside.min(), beside.max()), space)
    columns = _columns(lines[(rows >= first) & (rows <= last)], space)
    if len(columns) == 1 or not all(_text(column, measure) for column in columns):
        return []
    texts = _in_turn([_parts(column) for column in columns])
    return [*_parts(lines[rows < first]), *texts, *_parts(lines[rows > last])] if texts else []


def _groups(starts: npt.NDArray[np.int32], ends: npt.NDArray[np.int32]) -> npt.NDArray[np.int64]:
    """Number what overlaps in one direction alike, from the first."""
    order = np.argsort(starts, kind="stable")
    reached = np.maximum.accumulate(ends[order])
    groups = np.empty(len(starts), np.int64)
    groups[order] = np.cumsum(np.r_[False, starts[order][1:] > reached[:-1]])
    return groups


def _columns(lines: Boxes, space: int) -> list[Boxes]:
    """Return what gutters wider than a space part, from the left."""
    groups = _groups(lines[:, 0], lines[:, 2] + space - 1)
    return [lines[groups == column] for column in range(groups.max() + 1)]


def _reach(
    lines: Boxes, rows: npt.NDArray[np.int64], within: tuple[int, int], space: int
) -> tuple[int, int]:
    """Return the first and the last row that keep to the columns of the rows within."""
    first, last = within

    def columns(first: int, last: int) -> int:
        return len(_columns(lines[(rows >= first) & (rows <= last)], space))

    count = columns(first, last)
    while first > 0 and columns(first - 1, last) == count:
        first -= 1
    while last < rows.max() and columns(first, last + 1) == count:
        last += 1
    return first, last


def _text(column: Boxes, measure: float) -> bool:
    """Whether it is as wide as lines of text are, and most of its lines as wide as it is."""
    width = column[:, 2].max() - column[:, 0].min()
    full = column[:, 2] - column[:, 0] >= _REACHED * width
    return len(column) >= _FEWEST and width >= measure and bool(np.mean(full) >= _HALF)


def _parts(lines: Boxes) -> list[Boxes]:
    """Cut lines under one another where one is farther below the last than usual."""
    if not len(lines):
        return []
    lines = lines[np.argsort(lines[:, 1] + lines[:, 3], kind="stable")]
    pitch = np.diff(lines[:, 1] + lines[:, 3])
    ends = np.flatnonzero(pitch > _PITCH * np.median(pitch)) + 1 if len(pitch) else ()
    return np.split(lines, ends)


def _in_turn(columns: list[list[Boxes]]) -> list[Boxes]:
    """Return the parts of columns as they are read; none where that cannot be told.

    A single line above or below all other columns is the page's, a header or a footer, where it is
    short and far away; nearer it may as well be its column's.
    """
    above, below = [], []
    for place, parts in enumerate(columns):
        others = np.concatenate([each for other in columns if other is not parts for each in other])
        if place > 0 and _lone(parts, 0) and parts[0][0, 3] < others[:, 1].min():
            above.append(parts.pop(0))
            if not _outside(above[-1], parts[0][0], parts):
                return []
        if parts is not columns[-1] and _lone(parts, -1) and parts[-1][0, 1] > others[:, 3].max():
            below.append(parts.pop())
            if not _outside(below[-1], parts[-1][-1], parts):
                return []
    return [*above, *(each for parts in columns for each in parts), *below]


def _outside(line: Boxes, nearest: Boxes, column: list[Boxes]) -> bool:
    """Whether a line is short and far from the nearest one of a column."""
    lines = np.concatenate(column)
    pitch = np.median(np.diff(lines[:, 1])) if len(lines) > 1 else 0
    short = 2 * (line[0, 2] - line[0, 0]) <= lines[:, 2].max() - lines[:, 0].min()
    return bool(short and abs(line[0, 1] - nearest[1]) >= _FAR * pitch)


def _lone(parts: list[Boxes], place: int) -> bool:
    """Whether a part is a single line, and not the only part."""
    return len(parts) > 1 and len(parts[place]) == 1
