"""What is wrong with a page, told from its pixels at a fraction of what reading it costs."""

from dataclasses import dataclass
from typing import Final, Self

import cv2
import numpy as np
import numpy.typing as npt
from cv2.typing import MatLike

from docmill.adapters.image import Pixels

SAMPLE: Final = 768  # pixels of the side of the square that a page is judged by
_GRAINY: Final = 8.0  # gray levels of noise; scans have 0 to 4
_SPECKLED: Final = 0.006  # share of single pixels unlike all around them; scans have 0.001
_SPECK: Final = 40  # gray levels between such a pixel and what is nearest to it
_BLURRED: Final = 0.28  # of an edge's height within one pixel; scans have 0.5 to 1, photos 0.35
_CONTRAST: Final = 60  # gray levels of an edge worth judging
_EDGE: Final = np.ones((1, 15), np.uint8)
_AROUND: Final = np.array([[1, 1, 1], [1, 0, 1], [1, 1, 1]], np.uint8)
_SADDLE: Final = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
_ENOUGH_EDGES: Final = 0.002  # share of the sample
_WHOLE: Final = 250  # what a share of one is counted as

Levels = npt.NDArray[np.float32]  # how many pixels have each of 256 gray levels


@dataclass(frozen=True, slots=True, kw_only=True)
class Flaws:
    """Which of the flaws that a filter mends a page has."""

    grainy: bool
    speckled: bool
    blurred: bool

    @classmethod
    def of(cls, pixels: Pixels) -> Self:
        """Judge a part of an evenly lit page, best one with letters."""
        grainy = grain(pixels) > _GRAINY
        speckled = not grainy and specks(pixels) > _SPECKLED
        blurred = not (grainy or speckled) and 0 < steepness(pixels) < _BLURRED
        return cls(grainy=grainy, speckled=speckled, blurred=blurred)


def busiest(pixels: Pixels, marks: Pixels) -> tuple[slice, slice]:
    """Return the square of the page with the most ink; `marks` is a small mask of the ink."""
    share = marks.shape[1] / pixels.shape[1]
    height, width = (min(max(1, int(SAMPLE * share)), side) for side in marks.shape)
    sums = cv2.integral(marks)
    inside = sums[height:, width:] - sums[:-height, width:]
    inside = inside - (sums[height:, :-width] - sums[:-height, :-width])
    place = np.unravel_index(np.argmax(inside), inside.shape)
    top, left = (int(side / share) for side in place)
    return slice(top, top + SAMPLE), slice(left, left + SAMPLE)


def grain(pixels: Pixels) -> float:
    """Return the gray levels of noise: the usual answer to a filter blind to edges and slopes."""
    response = cv2.filter2D(pixels, cv2.CV_16S, _SADDLE)  # half of a float, and as exact
    return _median(cv2.convertScaleAbs(response)) / 6 / 0.6745


def specks(pixels: Pixels) -> float:
    """Return the share of pixels that are much darker or much lighter than all around them."""
    over = cv2.subtract(pixels, cv2.dilate(pixels, _AROUND))
    under = cv2.subtract(cv2.erode(pixels, _AROUND), pixels)
    return float(np.mean(cv2.max(over, under) > _SPECK))


def steepness(pixels: Pixels) -> float:
    """Return how much of its height an edge usually climbs within one pixel; 0 without edges."""
    steps = cv2.absdiff(pixels[:, 1:], pixels[:, :-1])
    heights = cv2.subtract(cv2.dilate(pixels, _EDGE), cv2.erode(pixels, _EDGE))[:, 1:]
    dark, light = np.percentile(pixels[::4, ::4], (0.5, 90))
    edges = cv2.compare(heights, max(_CONTRAST, (light - dark) / 2), cv2.CMP_GT)
    if cv2.countNonZero(edges) < _ENOUGH_EDGES * edges.size:
        return 0.0
    shares = cv2.divide(cv2.dilate(steps, _EDGE), heights, scale=_WHOLE, dtype=cv2.CV_8U)
    return _median(shares, edges) / _WHOLE


def _median(pixels: MatLike, where: MatLike | None = None) -> float:
    return reached(levels(pixels, where), 0.5)


# ── gray levels ──────────────────────────────────────────────────────────────────────────────────
def levels(pixels: MatLike, where: MatLike | None = None) -> Levels:
    """Count the pixels of each gray level."""
    counts = cv2.calcHist([np.ascontiguousarray(pixels)], [0], where, [256], [0, 256])
    return np.asarray(counts.ravel(), dtype=np.float32)


def reached(counts: Levels, share: float) -> int:
    """Return the level that a share of the pixels does not exceed: nothing is sorted."""
    counted = counts.cumsum()
    return int(np.searchsorted(counted, counted[-1] * share))


# ── the size of letters ──────────────────────────────────────────────────────────────────────────
_LEAST: Final = (4, 2, 9)  # height, width and pixels of a mark that may be a letter
_FEW: Final = 50  # letters; fewer say nothing about a page


def letter_heights(pixels: Pixels) -> tuple[float, float]:
    """Return a low and the usual height of letters in pixels, zeros where there are too few.

    Heights are weighted by themselves, for specks outnumber letters; the low one is where the
    smallest tenth ends.
    """
    _, marks = cv2.threshold(pixels, 0, 255, cv2.THRESH_BINARY_INV + cv2.THRESH_OTSU)
    # In bands, for labels take four bytes a pixel; few letters lie across an edge.
    bands = (marks[top : top + SAMPLE] for top in range(0, len(marks), SAMPLE))
    sizes = np.sort(np.concatenate([_letters(band) for band in bands]))
    if sizes.size < _FEW:
        return 0.0, 0.0
    low, usual = np.searchsorted(sizes.cumsum(), (sizes.sum() / 10, sizes.sum() / 2))
    return float(sizes[low]), float(sizes[usual])


def _letters(marks: MatLike) -> npt.NDArray[np.float64]:
    """Return the heights of what may be letters."""
    # The algorithm that costs half of OpenCV's default.
    _, _, found, _ = cv2.connectedComponentsWithStatsWithAlgorithm(
        marks, 8, cv2.CV_32S, cv2.CCL_BBDT
    )
    width, height, area = (
        found[1:, column] for column in (cv2.CC_STAT_WIDTH, cv2.CC_STAT_HEIGHT, cv2.CC_STAT_AREA)
    )
    letters = (height >= _LEAST[0]) & (width >= _LEAST[1]) & (area >= _LEAST[2])
    letters &= (height < marks.shape[0] / 8) & (width < 4 * height)
    return height[letters].astype(float)


# ── skew ─────────────────────────────────────────────────────────────────────────────────────────
_MOST_SKEW: Final = 12.0  # degrees
_LEAST_SKEW: Final = 0.8  # degrees; below it turning costs more than it gains
_LEAST_SIDE: Final = 60  # preview pixels
_STRIP: Final = 4  # preview pixels side by side that a line falls by less than one over
_RULE: Final = np.ones((1, 101), np.uint8)  # preview pixels; no line of print hangs together so far
_SURE: Final = 1.25  # how much sharper the lines must become
_CLEAR: Final = 4  # how much sharper they are when level than ...
_ELSEWHERE: Final = (-11.0, -8.0, -5.0, -2.0, 2.0, 5.0, 8.0, 11.0)  # ... turned by any of these


def skew(marks: Pixels) -> float:
    """Return the degrees by which the lines of ink fall to the right, 0 where level enough."""
    if min(marks.shape) < _LEAST_SIDE or not marks.any():
        return 0.0
    strips = _strips(_ruleless(marks))
    level = _sharpness(strips, 0.0)
    if level > _CLEAR * max(_sharpness(strips, degrees) for degrees in _ELSEWHERE):
        return 0.0
    coarse = max(np.arange(-_MOST_SKEW, _MOST_SKEW + 1, 1.0), key=lambda d: _sharpness(strips, d))
    if abs(coarse) < _LEAST_SKEW and _sharpness(strips, coarse) <= level:
        return 0.0
    fine = np.arange(coarse - 0.8, coarse + 0.9, 0.2)
    best = float(max(fine, key=lambda d: _sharpness(strips, d)))
    sure = _sharpness(strips, best) > _SURE * level
    return best if sure and abs(best) >= _LEAST_SKEW else 0.0


def _ruleless(marks: Pixels) -> Pixels:
    """Take level lines away: a streak of the scanner over askew print does not make it level."""
    middles = cv2.erode(marks, _RULE)
    return marks - np.asarray(cv2.dilate(middles, _RULE), np.uint8) if middles.any() else marks


def _strips(marks: Pixels) -> Pixels:
    """Return the ink of each row in strips, for a quarter of the pixels costs a quarter."""
    height, width = marks.shape
    even = marks[:, : width // _STRIP * _STRIP] * np.uint8(4 * _STRIP)
    size = width // _STRIP, height
    return np.asarray(cv2.resize(even, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def _sharpness(strips: Pixels, degrees: float) -> float:
    """How much the rows differ from their neighbours once sheared level by so many degrees."""
    height, width = strips.shape
    slope = np.tan(np.radians(degrees)) * _STRIP
    shear = np.array([[1, 0, 0], [-slope, 1, slope * width / 2]], dtype=np.float64)
    moved = cv2.warpAffine(strips, shear, (width, height), flags=cv2.INTER_NEAREST)
    rows = cv2.reduce(moved, 1, cv2.REDUCE_SUM, dtype=cv2.CV_32F).ravel()
    return float(np.square(np.diff(rows)).sum())
