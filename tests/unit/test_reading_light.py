"""Which light is uneven, and what only looks so."""

import cv2
import numpy as np
import pytest

from docmill.adapters.image import Pixels
from docmill.testing.documents import dense_text
from docmill.testing.pictures import Sheet, printed
from docmill_ocr import light, transform
from docmill_ocr.contrast import Contrast


def page() -> Pixels:
    return np.array(printed([dense_text(3, 2400)], Sheet(dpi=200, points=9)), np.uint8)


def evened(pixels: Pixels) -> bool:
    small = transform.preview(pixels)
    background = light.paper(small)
    return light.uneven(small, background, Contrast.of(small, background))


def shadowed(pixels: Pixels, *, soft: float, left: float) -> Pixels:
    """Throw a shadow over the middle that leaves some light, its edge so many pixels soft."""
    height, width = pixels.shape
    inside = np.zeros((height, width), np.float32)
    corners = [(0.3 * width, 0), (0.8 * width, 0), (0.9 * width, 0.6 * height), (0.3 * width, 900)]
    cv2.fillPoly(inside, [np.array(corners, np.int32)], (1,))
    share = cv2.GaussianBlur(inside, (0, 0), soft) * (1 - left)
    return np.asarray(pixels * (1 - share), np.uint8)


@pytest.mark.parametrize("soft", [1, 10, 40])
@pytest.mark.parametrize("left", [0.2, 0.35, 0.6])
def test_a_shadow_over_print_is_uneven_light_however_sharp(soft: float, left: float) -> None:
    assert evened(shadowed(page(), soft=soft, left=left))


def test_light_that_falls_off_over_a_picture_is_uneven() -> None:
    pixels = page()
    grain = np.random.default_rng(1).integers(0, 256, (150, 120)).astype(np.uint8)
    pixels[400:1300, 100:820] = cv2.resize(grain, (720, 900), interpolation=cv2.INTER_CUBIC)
    slope = np.linspace(0.3, 1, pixels.shape[1])
    assert evened(np.asarray(pixels * slope, np.uint8))


def inverted(pixels: Pixels, rows: slice) -> Pixels:
    """Print some rows in white on a dark ground."""
    made = pixels.copy()
    made[rows] = 255 - pixels[rows] // 4 * 3
    return made


def test_white_letters_in_a_dark_box_are_no_paper() -> None:
    assert evened(inverted(page(), slice(0, 1000))) is False
    assert evened(inverted(page(), slice(None))) is False
    assert evened(np.where(page() < 60, 255, 0).astype(np.uint8)) is False


def test_a_box_does_not_hide_that_light_falls_off() -> None:
    pixels = inverted(page(), slice(0, 1000))
    slope = np.linspace(0.3, 1, pixels.shape[1])
    assert evened(np.asarray(pixels * slope, np.uint8))


@pytest.mark.parametrize("left", [0.35, 0.6])
def test_a_box_does_not_hide_a_shadow_beside_it(left: float) -> None:
    pixels = inverted(page(), slice(0, 700))
    pixels[1000:, 800:] = pixels[1000:, 800:] * left
    assert evened(pixels)


def test_a_box_that_is_lighter_than_what_hides_print_is_left_as_it_is() -> None:
    pixels = page()
    shaded = pixels.copy()
    pixels[1000:1800] = pixels[1000:1800] * 0.8
    shaded[1000:1800] = shaded[1000:1800] * 0.5
    assert evened(pixels) is False
    assert evened(shaded)
