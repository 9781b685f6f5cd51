"""What makes a page easier to read: even light, level lines, less noise; each only where needed."""

from typing import Final

import cv2
import numpy as np

from docmill.adapters.image import Pixels
from docmill_ocr.page_image import Matrix, View

_PREVIEW: Final = 700  # pixels of the longer side that light, ink and skew are judged on
_UNEVEN: Final = 45  # gray levels between the paper's darkest and lightest parts
_BACKGROUND: Final = 25  # preview pixels: wider than any letter of running text
_INK: Final = 50  # gray levels below the paper
_MOST_SKEW: Final = 12.0  # degrees
_LEAST_SKEW: Final = 0.8  # degrees; below it turning costs more than it gains
_LEAST_SIDE: Final = 60  # preview pixels
_SURE: Final = 1.25  # how much sharper the lines must become
_NOISY: Final = 12.0  # gray levels of grain; scans have 1 to 4


def preview(pixels: Pixels) -> Pixels:
    """Return a small copy whose pixels are means of the page's."""
    share = min(1.0, _PREVIEW / max(pixels.shape))
    size = max(1, round(pixels.shape[1] * share)), max(1, round(pixels.shape[0] * share))
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def paper(small: Pixels) -> Pixels:
    """Return the preview without its ink: what the light and the paper do by themselves."""
    lifted = cv2.dilate(small, np.ones((9, 9), np.uint8))
    return np.asarray(cv2.medianBlur(lifted, _BACKGROUND), dtype=np.uint8)


def ink(small: Pixels, background: Pixels) -> float:
    """Return the share of the page that is clearly darker than its paper."""
    return float(np.mean(cv2.subtract(background, small) > _INK))


def evened(view: View, background: Pixels) -> View:
    """Take uneven light away by dividing by it; an evenly lit page is returned as it is."""
    dark, light = np.percentile(background, (3, 97))
    if light - dark < _UNEVEN:
        return view
    height, width = view.pixels.shape
    full = cv2.resize(background, (width, height), interpolation=cv2.INTER_LINEAR)
    lit = cv2.divide(view.pixels, full, scale=255)
    return View(pixels=np.asarray(lit, dtype=np.uint8), to_page=view.to_page, dpi=view.dpi)


# ── skew ─────────────────────────────────────────────────────────────────────────────────────────
def skew(small: Pixels, background: Pixels) -> float:
    """Return the degrees by which the lines fall to the right, 0 where they are level enough."""
    marks = (cv2.subtract(background, small) > _INK).astype(np.uint8) * 255
    if min(marks.shape) < _LEAST_SIDE or not marks.any():
        return 0.0
    level = _sharpness(marks, 0.0)
    coarse = max(np.arange(-_MOST_SKEW, _MOST_SKEW + 1, 1.0), key=lambda d: _sharpness(marks, d))
    if abs(coarse) < _LEAST_SKEW and _sharpness(marks, coarse) <= level:
        return 0.0
    fine = np.arange(coarse - 0.8, coarse + 0.9, 0.2)
    best = float(max(fine, key=lambda d: _sharpness(marks, d)))
    sure = _sharpness(marks, best) > _SURE * level
    return best if sure and abs(best) >= _LEAST_SKEW else 0.0


def _sharpness(marks: Pixels, degrees: float) -> float:
    """How much the rows differ from their neighbours once sheared level by so many degrees."""
    height, width = marks.shape
    slope = np.tan(np.radians(degrees))
    shear = np.array([[1, 0, 0], [-slope, 1, slope * width / 2]], dtype=np.float64)
    moved = cv2.warpAffine(marks, shear, (width, height), flags=cv2.INTER_NEAREST)
    rows = cv2.reduce(moved, 1, cv2.REDUCE_SUM, dtype=cv2.CV_32F).ravel()
    return float(np.square(np.diff(rows)).sum())


def leveled(view: View, degrees: float) -> View:
    """Turn the page so that lines falling by so many degrees are level; nothing is cut off."""
    height, width = view.pixels.shape
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1.0)
    cos, sin = abs(turn[0, 0]), abs(turn[0, 1])
    size = round(height * sin + width * cos), round(height * cos + width * sin)
    turn[:, 2] += (size[0] - width) / 2, (size[1] - height) / 2
    paper_level = float(np.median(view.pixels[:: max(1, height // 64)]))
    level = cv2.warpAffine(
        view.pixels, turn, size, flags=cv2.INTER_LINEAR, borderValue=(paper_level,)
    )
    back: Matrix = np.asarray(cv2.invertAffineTransform(turn), dtype=np.float64)
    return view.warped(np.asarray(level, dtype=np.uint8), back)


# ── turns, noise, size ───────────────────────────────────────────────────────────────────────────
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


def noisy(pixels: Pixels) -> bool:
    """Whether grain drowns the letters: the mean of a filter that cancels edges and slopes."""
    middle = pixels[pixels.shape[0] // 4 :, pixels.shape[1] // 4 :][:1024, :1024]
    kernel = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], dtype=np.float32)
    response = np.abs(cv2.filter2D(middle, cv2.CV_32F, kernel))
    return float(np.median(response)) / 6 / 0.6745 > _NOISY


def smoothed(view: View) -> View:
    blurred = cv2.GaussianBlur(view.pixels, (0, 0), 1.2)
    return View(pixels=np.asarray(blurred, dtype=np.uint8), to_page=view.to_page, dpi=view.dpi)


def enlarged(view: View, factor: float) -> View:
    """Enlarge letters that are too small to read."""
    height, width = view.pixels.shape
    size = round(width * factor), round(height * factor)
    larger = cv2.resize(view.pixels, size, interpolation=cv2.INTER_CUBIC)
    back = np.array([[width / size[0], 0, 0], [0, height / size[1], 0]], dtype=np.float64)
    grown = view.warped(np.asarray(larger, dtype=np.uint8), back)
    return View(pixels=grown.pixels, to_page=grown.to_page, dpi=round(view.dpi * factor))
