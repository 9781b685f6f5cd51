"""What scanners, cameras and copiers do to a page, in fixed measures.

They end where a person stops reading with ease, and are set so that bare tesseract has a mean error
rate of 0.25 to 0.35 on both sets of pages.
"""

from collections.abc import Callable, Mapping
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]
Draw = np.random.Generator
Degrade = Callable[[Pixels, Draw], Pixels]

_PAPER: Final = 250
_TABLE: Final = 70
_DPI: Final = 200  # that the measures in pixels below are meant for


def clean(page: Pixels, _: Draw) -> Pixels:
    return page


def blurred(page: Pixels, draw: Draw) -> Pixels:
    """Out of focus."""
    return _gray(cv2.GaussianBlur(page, (0, 0), draw.uniform(2.2, 3.2)))


def grainy(page: Pixels, draw: Draw) -> Pixels:
    """A sensor in bad light: Gaussian noise."""
    return _gray(page + draw.normal(0, draw.uniform(25, 48), page.shape))


def salted(page: Pixels, draw: Draw) -> Pixels:
    """Single black and white pixels, as faxes and bad thresholds leave."""
    dice = draw.random(page.shape)
    share = draw.uniform(0.02, 0.08)
    made = page.copy()
    made[dice < share / 2] = 0
    made[dice > 1 - share / 2] = 255
    return made


def shaded(page: Pixels, draw: Draw) -> Pixels:
    """Light from one side, and the shadow of a hand."""
    return _gray(page * _light(page.shape, draw, darkest=0.4))


def faded(page: Pixels, draw: Draw) -> Pixels:
    """Gray print, as of a worn ribbon or a pencil, under a light that is weaker at one side."""
    ink = draw.uniform(150, 175)
    weak = ink + page * (1 - ink / _PAPER)
    darkest = draw.uniform(0.81, 0.86)
    lit = weak * (darkest + (1 - darkest) * _slope(page.shape, draw))
    soft = cv2.GaussianBlur(lit, (0, 0), 0.7)
    return _gray(soft + draw.normal(0, draw.uniform(2, 3.5), soft.shape))


def photographed(page: Pixels, draw: Draw) -> Pixels:
    """A photo of a sheet on a table: turned, in perspective, soft, grainy, compressed."""
    height, width = page.shape
    edge = round(0.06 * width)
    inner = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    outer = inner + edge + draw.uniform(-0.012, 0.012, (4, 2)).astype(np.float32) * width
    turn = cv2.getRotationMatrix2D((width / 2 + edge, height / 2 + edge), draw.uniform(-3, 3), 1.0)
    corners = cv2.transform(outer[None], turn)[0].astype(np.float32)
    seen = cv2.warpPerspective(
        page,
        cv2.getPerspectiveTransform(inner, corners),
        (width + 2 * edge, height + 2 * edge),
        flags=cv2.INTER_AREA,
        borderValue=(_TABLE,),
    )
    lit = seen * _light(seen.shape, draw, darkest=0.25)
    soft = cv2.GaussianBlur(lit, (0, 0), draw.uniform(0.8, 1.3))
    return _compressed(_gray(soft + draw.normal(0, 5, soft.shape)), 70)


def skewed(page: Pixels, draw: Draw) -> Pixels:
    """Laid on the glass askew, by 2 to 10 degrees either way."""
    degrees = draw.uniform(2, 10) * draw.choice((-1, 1))
    height, width = page.shape
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1.0)
    cos, sin = abs(turn[0, 0]), abs(turn[0, 1])
    size = round(height * sin + width * cos), round(height * cos + width * sin)
    turn[:, 2] += (size[0] - width) / 2, (size[1] - height) / 2
    return _gray(cv2.warpAffine(page, turn, size, flags=cv2.INTER_CUBIC, borderValue=(_PAPER,)))


def coarse(page: Pixels, draw: Draw) -> Pixels:
    """Scanned at 60 to 85 dpi."""
    share = draw.uniform(60, 85) / _DPI
    return _gray(cv2.resize(page, None, fx=share, fy=share, interpolation=cv2.INTER_AREA))


def compressed(page: Pixels, draw: Draw) -> Pixels:
    """A JPEG saved too small."""
    return _compressed(page, int(draw.integers(3, 8)))


DEGRADATIONS: Final[Mapping[str, Degrade]] = {
    "blur": blurred,
    "gauss": grainy,
    "salt": salted,
    "shade": shaded,
    "faint": faded,
    "photo": photographed,
    "skew": skewed,
    "low dpi": coarse,
    "jpeg": compressed,
}


def _light(shape: tuple[int, ...], draw: Draw, *, darkest: float) -> npt.NDArray[np.float64]:
    height, width = shape
    slope = _slope(shape, draw)
    rows, columns = np.mgrid[0:height, 0:width]
    centre, radius = draw.uniform(0.2, 0.8, 2), draw.uniform(0.15, 0.3)
    away = ((columns / width - centre[0]) ** 2 + (rows / height - centre[1]) ** 2) / radius**2
    return np.asarray((darkest + (1 - darkest) * slope) * (1 - 0.35 * np.exp(-away)))


def _slope(shape: tuple[int, ...], draw: Draw) -> npt.NDArray[np.float64]:
    """Rise from 0 to 1 in any direction."""
    rows, columns = np.mgrid[0 : shape[0], 0 : shape[1]]
    angle = draw.uniform(0, 2 * np.pi)
    slope = np.cos(angle) * columns / shape[1] + np.sin(angle) * rows / shape[0]
    return np.asarray((slope - slope.min()) / (slope.max() - slope.min()))


def _compressed(page: Pixels, quality: int) -> Pixels:
    _, encoded = cv2.imencode(".jpg", page, [cv2.IMWRITE_JPEG_QUALITY, quality])
    decoded = cv2.imdecode(encoded, cv2.IMREAD_GRAYSCALE)
    assert decoded is not None
    return _gray(decoded)


def _gray(pixels: npt.NDArray[np.generic]) -> Pixels:
    return np.asarray(np.clip(pixels, 0, 255), dtype=np.uint8)
