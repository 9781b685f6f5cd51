"""What makes a page easier to read: level lines, less noise, larger letters; where needed."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from docmill.adapters.image import Pixels
from docmill_ocr import measure
from docmill_ocr.layout import Boxes
from docmill_ocr.page_image import Matrix, View

_PREVIEW: Final = 700  # pixels of the longer side that light, ink and skew are judged on
_FAR: Final = 60  # gray levels between a speck and what is around it
_FAINT: Final = 40  # gray levels below the paper; the faintest mark that is not left out
_GRAIN: Final = 10  # gray levels from the paper's; a scanner's noise is less, print is more
_ONE_LEVEL: Final = 0.9  # share of the paper that is of one gray level where there is no grain
_MARGIN: Final = 32  # pixels of paper around what is cut out

Part = tuple[slice, slice]  # rows and columns


def preview(pixels: Pixels) -> Pixels:
    """Return a small copy whose pixels are means of the page's."""
    share = min(1.0, _PREVIEW / max(pixels.shape))
    size = max(1, round(pixels.shape[1] * share)), max(1, round(pixels.shape[0] * share))
    while max(pixels.shape) >= 2 * _PREVIEW and min(pixels.shape) > 1:
        pixels = _halved(pixels)  # OpenCV is fast at halves, and slow at what is no whole factor
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def _halved(pixels: Pixels) -> Pixels:
    height, width = (side // 2 for side in pixels.shape)
    even = pixels[: 2 * height, : 2 * width]
    return np.asarray(cv2.resize(even, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


# ── turns, noise, size ───────────────────────────────────────────────────────────────────────────
def leveled(view: View, degrees: float) -> View:
    """Turn the page so that lines falling by so many degrees are level; nothing is cut off."""
    height, width = view.pixels.shape
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1.0)
    cos, sin = abs(turn[0, 0]), abs(turn[0, 1])
    size = round(height * sin + width * cos), round(height * cos + width * sin)
    turn[:, 2] += (size[0] - width) / 2, (size[1] - height) / 2
    level = cv2.warpAffine(
        view.pixels, turn, size, flags=cv2.INTER_LINEAR, borderValue=(_paper_level(view),)
    )
    back: Matrix = np.asarray(cv2.invertAffineTransform(turn), dtype=np.float64)
    return view.warped(np.asarray(level, dtype=np.uint8), back)


def _paper_level(view: View) -> int:
    """Return the gray level of most of the page."""
    return measure.reached(_levels(view), 0.5)


def _levels(view: View) -> measure.Levels:
    """Count the gray levels of some rows."""
    return measure.levels(view.pixels[:: max(1, view.pixels.shape[0] // 64)])


def turned(view: View, degrees: int) -> View:
    """Turn by 90, 180 or 270 degrees clockwise."""
    height, width = view.pixels.shape
    back = {
        90: [[0, 1, 0], [-1, 0, height]],
        180: [[-1, 0, width], [0, -1, height]],
        270: [[0, -1, width], [1, 0, 0]],
    }[degrees]
    pixels = np.ascontiguousarray(np.rot90(view.pixels, -degrees // 90))
    return view.warped(pixels, np.array(back, dtype=np.float64))


def smoothed(view: View) -> View:
    """Blur grain away."""
    return view.showing(cv2.GaussianBlur(view.pixels, (0, 0), 1.2))


def despeckled(view: View) -> View:
    """Take single black and white pixels away, and touch nothing else."""
    around = cv2.medianBlur(view.pixels, 3)
    far = cv2.absdiff(view.pixels, around) > _FAR
    return view.showing(np.where(far, around, view.pixels))


def sharpened(view: View) -> View:
    """Undo some of a blur that has run letters together: what it took away counts four times."""
    blurred = cv2.GaussianBlur(view.pixels, (0, 0), 3)
    return view.showing(cv2.addWeighted(view.pixels, 4.0, blurred, -3.0, 0))


def cleaned(view: View) -> View:
    """Give paper with some grain the one gray level of most of it; other paper is returned as is.

    Tesseract packs the picture of each line as a PNG, and grain packs badly: 60 ms of a scan's 780.
    """
    levels = _levels(view)
    most = measure.reached(levels, 0.5)
    near = slice(max(0, most - _GRAIN), most + _GRAIN + 1)
    if levels[most] >= _ONE_LEVEL * levels[near].sum():
        return view
    shown = np.arange(256, dtype=np.uint8)
    shown[near] = most
    return view.showing(cv2.LUT(view.pixels, shown))


def resized(view: View, factor: float) -> View:
    """Enlarge letters that are too small to read, or shrink what is finer than reading needs."""
    height, width = view.pixels.shape
    size = round(width * factor), round(height * factor)
    scaled = (_shrunk if factor < 1 else _magnified)(view.pixels, size)
    back = np.array([[width / size[0], 0, 0], [0, height / size[1], 0]], dtype=np.float64)
    return replace(view.warped(scaled, back), dpi=round(view.dpi * factor))


def _magnified(pixels: Pixels, size: tuple[int, int]) -> Pixels:
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_LANCZOS4), dtype=np.uint8)


def _shrunk(pixels: Pixels, size: tuple[int, int]) -> Pixels:
    """Shrink by half at most.

    Straight lines between pixels that are means of their neighbours leave nothing out, as
    the mean of an area does not, and take half of its time.
    """
    soft = cv2.GaussianBlur(pixels, (3, 3), 0)
    return np.asarray(cv2.resize(soft, size, interpolation=cv2.INTER_LINEAR), dtype=np.uint8)


# ── parts ────────────────────────────────────────────────────────────────────────────────────────
def parts(view: View, boxes: Boxes, least: int) -> tuple[Part, ...]:
    """Return where boxes lie, with some paper around each but nothing of another.

    Nothing where one reaches into another, or where something else is on the page that is darker
    than the paper by the `least` gray levels of ink, or faint beside black print.
    """
    apart = _apart(boxes)
    if np.any(apart < 0):
        return ()
    margins = np.minimum(apart.min(axis=1) // 2, _MARGIN)
    found = tuple(map(_part, boxes.tolist(), margins.tolist()))
    marks = (view.pixels < _paper_level(view) - min(least, _FAINT)).view(np.uint8)
    for part in found:
        marks[part] = 0
    cv2.erode(marks, np.ones((2, 2), np.uint8), dst=marks)  # grain alone goes
    return () if np.any(marks) else found


def _apart(boxes: Boxes) -> npt.NDArray[np.int32]:
    """Return the pixels between each box and each other, negative where they meet."""
    low, high = boxes[:, None, :2], boxes[:, None, 2:]
    sides = np.maximum(boxes[None, :, :2] - high, low - boxes[None, :, 2:])
    apart: npt.NDArray[np.int32] = sides.max(axis=2)
    np.fill_diagonal(apart, 2 * _MARGIN)
    return apart


def _part(box: Sequence[int], margin: int) -> Part:
    left, top, right, bottom = box
    rows = slice(max(0, top - margin), bottom + margin)
    return rows, slice(max(0, left - margin), right + margin)


def scaled(part: Part, factor: float) -> Part:
    """Return where a part lies in a picture that was resized."""
    rows, columns = (slice(int(s.start * factor), int(s.stop * factor)) for s in part)
    return rows, columns
