"""What is done to a page before it is read, and what is not."""

from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np
import pytest

from docmill.domain.words import Step
from docmill.testing.degradation import DEGRADATIONS, clean
from docmill.testing.specimen import Part, specimen
from docmill_ocr import prepare
from docmill_ocr.page_image import View
from docmill_ocr.preparation import Prepared

MENDED: Final = {
    "blur": Step.SHARPENED,
    "gauss": Step.SMOOTHED,
    "salt": Step.DESPECKLED,
    "shade": Step.EVENED,
    "photo": Step.EVENED,
    "skew": Step.LEVELED,
    "low dpi": Step.ENLARGED,
}


def view(kind: str, number: int) -> View:
    degrade = DEGRADATIONS.get(kind, clean)
    made = specimen(Part.HELD_OUT, kind, degrade, number)
    return View(pixels=made.pixels, to_page=np.eye(3)[:2], dpi=made.dpi)


def prepared(page: View, languages: Sequence[str] = ()) -> Prepared:
    return Prepared.of(page, prepare.preview(page.pixels), languages)


@pytest.mark.parametrize("number", range(3))
@pytest.mark.parametrize("kind", MENDED)
def test_a_flaw_is_told_from_the_pixels_and_mended(kind: str, number: int) -> None:
    assert MENDED[kind] in prepared(view(kind, number)).steps


@pytest.mark.parametrize("number", range(3))
@pytest.mark.parametrize("kind", ["clean", "jpeg"])
def test_a_page_without_a_flaw_that_can_be_mended_is_left_as_it_is(kind: str, number: int) -> None:
    page = view(kind, number)
    assert prepared(page).view is page


def fine() -> View:
    """A page at 300 dpi."""
    page = view("clean", 0)
    pixels = cv2.resize(page.pixels, None, fx=1.5, fy=1.5, interpolation=cv2.INTER_CUBIC)
    return View(pixels=np.asarray(pixels, np.uint8), to_page=page.to_page, dpi=300)


def test_letters_finer_than_reading_needs_are_shrunk_to_what_it_needs() -> None:
    made = prepared(fine(), ["eng", "fra"])
    assert made.steps == (Step.SHRUNK,)
    assert 180 <= made.view.dpi <= 260


@pytest.mark.parametrize("languages", [["chi_sim"], ["eng", "ara"]])
def test_letters_of_dense_scripts_keep_their_pixels(languages: list[str]) -> None:
    page = fine()
    assert prepared(page, languages).view is page


def test_places_on_a_shrunk_page_are_places_on_the_page() -> None:
    page = fine()
    made = prepared(page).view
    corner = made.to_page @ (made.pixels.shape[1], made.pixels.shape[0], 1)
    assert corner == pytest.approx((page.pixels.shape[1], page.pixels.shape[0]))


@pytest.mark.parametrize("kind", ["skew", "low dpi"])
def test_places_on_a_mended_page_are_places_on_the_page(kind: str) -> None:
    page = view(kind, 0)
    made = prepared(page).view
    height, width = made.pixels.shape
    middle = made.to_page @ (width / 2, height / 2, 1)
    assert middle == pytest.approx((page.pixels.shape[1] / 2, page.pixels.shape[0] / 2), abs=1)


@pytest.mark.parametrize("shape", [(1, 1), (5, 2000), (1500, 3)])
def test_a_page_smaller_than_what_it_is_judged_by_is_judged(shape: tuple[int, int]) -> None:
    pixels = np.full(shape, 250, np.uint8)
    pixels[0, 0] = 0
    page = View(pixels=pixels, to_page=np.eye(3)[:2], dpi=0)
    assert prepared(page).view.pixels.shape == shape
