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
_EDGE: Final = 0.5  # of what is uneven, within two coarse pixels: 1.7 mm on A4
_LARGE: Final = 0.1  # of the page; a smaller part is a picture
_LOST: Final = 0.4  # of what print is darker by: from there on the engine takes the shade for print
_SMALL: Final = 0.003  # of the page: a line in a box
_SPARSE: Final = 0.01  # of a box: a line in it
_CLEARLY: Final = 3  # times more letters that are lighter than their ground than darker ones


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
    if spread < contrast.uneven:
        return False
    if contrast.usual is None or _falls_off(_coarse(background), contrast.uneven):
        return True
    return spread > _LOST * contrast.usual and _shades_print(small, contrast)


def _spread(levels: Pixels) -> float:
    dark, light = np.percentile(levels, (3, 97))
    return float(light - dark)


def _falls_off(background: Pixels, least: float) -> bool:
    """Whether any large part gets darker by so much without an edge."""
    slopes = cv2.morphologyEx(background, cv2.MORPH_GRADIENT, _NEAR)
    smooth = (slopes <= _EDGE * least).view(np.uint8)
    _, regions, sizes, _ = cv2.connectedComponentsWithStats(smooth, connectivity=4)
    large = np.flatnonzero(sizes[1:, cv2.CC_STAT_AREA] >= _LARGE * background.size) + 1
    return any(_spread(background[regions == region]) >= least for region in large)


def _shades_print(small: Pixels, contrast: Contrast) -> bool:
    """Whether any large dark part is a shadow, and not a box with letters lighter than its ground.

    Of a part with no letters that cannot be told.
    """
    shown, ground = _coarse(small), _ground(small)
    light = max(1.0, np.percentile(ground, 97))
    bounds = contrast.least / light * ground  # print fades as its paper does
    darker, lighter = cv2.subtract(ground, shown) > bounds, cv2.subtract(shown, ground) > bounds
    dark = cv2.erode((ground < light - contrast.uneven).view(np.uint8), _WITHIN)
    _, parts, sizes, _ = cv2.connectedComponentsWithStats(dark)
    areas = sizes[1:, cv2.CC_STAT_AREA]
    for part in np.flatnonzero(areas >= _SMALL * dark.size) + 1:
        inside = parts == part
        if lighter[inside].sum() < max(_CLEARLY * darker[inside].sum(), _SPARSE * inside.sum()):
            return True
    return False


def evened(view: View, background: Pixels) -> View:
    """Take uneven light away by dividing by it."""
    height, width = view.pixels.shape
    full = cv2.resize(background, (width, height))
    return view.showing(cv2.divide(view.pixels, full, scale=255))
