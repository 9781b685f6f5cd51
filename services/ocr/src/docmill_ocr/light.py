"""The light that a page lies in, told from what is printed in other colours."""

from typing import Final

import cv2
import numpy as np

from docmill.adapters.image import Pixels
from docmill_ocr.contrast import Contrast
from docmill_ocr.page_image import View

_GROUND: Final = 13  # coarse pixels: wider than any letter of running text
_NEAR: Final = np.ones((3, 3), np.uint8)
_WITHIN: Final = np.ones((7, 7), np.uint8)  # the ground is rounder than a shadow's corners
_EDGE: Final = (
    0.5  # of what is uneven, in two coarse pixels (1.7 mm on A4): no light falls off so fast
)
_LARGE: Final = 0.1  # of the page; a smaller part is a picture
_LOST: Final = 0.5  # of what print is darker by: from there on the engine takes the shade for print
_BESIDE: Final = 0.25  # of the ink in a shadow: what may be lighter than its ground


def paper(small: Pixels) -> Pixels:
    """Return a preview without its ink: what the light and the paper do by themselves."""
    lifted = np.asarray(cv2.dilate(small, np.ones((9, 9), np.uint8)), np.uint8)
    height, width = small.shape
    return np.asarray(cv2.resize(_ground(lifted), (width, height)), np.uint8)


def _ground(small: Pixels) -> Pixels:
    """Return what most of the surroundings are, of every other pixel, which costs half."""
    return np.asarray(cv2.medianBlur(_coarse(small), _GROUND), np.uint8)


def _coarse(small: Pixels) -> Pixels:
    return np.ascontiguousarray(small[::2, ::2])


def uneven(small: Pixels, background: Pixels, contrast: Contrast) -> bool:
    """Whether the light is so uneven that print can be lost in it.

    A box in another colour is no shadow: it has edges, and white letters in it are not paper.
    """
    spread = _spread(_coarse(background))
    if contrast.print_ is None or spread < contrast.uneven:
        return False
    darker, lighter = _ink_in_the_dark(small, contrast)
    if _falls_off(_coarse(background), contrast.uneven):
        return lighter < darker
    return spread > _LOST * contrast.print_ and lighter < _BESIDE * darker


def _spread(levels: Pixels) -> float:
    dark, light = np.percentile(levels, (3, 97))
    return float(light - dark)


def _ink_in_the_dark(small: Pixels, contrast: Contrast) -> tuple[int, int]:
    """Count where the page is darker, and where lighter, than a ground that is dark itself."""
    shown, ground = _coarse(small), _ground(small)
    edged = (ground < np.percentile(ground, 97) - contrast.uneven).view(np.uint8)
    dark = cv2.erode(edged, _WITHIN).astype(bool)
    darker = cv2.subtract(ground, shown)[dark] > contrast.least
    lighter = cv2.subtract(shown, ground)[dark] > contrast.least
    return int(darker.sum()), int(lighter.sum())


def _falls_off(background: Pixels, least: float) -> bool:
    """Whether any large part gets darker by so much without an edge."""
    slopes = cv2.morphologyEx(background, cv2.MORPH_GRADIENT, _NEAR)
    smooth = (slopes <= _EDGE * least).view(np.uint8)
    _, regions, sizes, _ = cv2.connectedComponentsWithStats(smooth, connectivity=4)
    large = np.flatnonzero(sizes[1:, cv2.CC_STAT_AREA] >= _LARGE * background.size) + 1
    return any(_spread(background[regions == region]) >= least for region in large)


def evened(view: View, background: Pixels) -> View:
    """Take uneven light away by dividing by it."""
    height, width = view.pixels.shape
    full = cv2.resize(background, (width, height))
    return view.showing(cv2.divide(view.pixels, full, scale=255))
