"""What is done to a page before it is read, and what is not."""

from typing import Final

import cv2
import numpy as np
import pytest

from docmill.domain.words import Step
from docmill.testing.degradation import DEGRADATIONS, clean
from docmill.testing.documents import dense_text
from docmill.testing.pictures import Sheet, printed
from docmill.testing.specimen import Part, specimen
from docmill_ocr import transform
from docmill_ocr.page_image import View
from docmill_ocr.preparation import Mended, Prepared

MENDED: Final = {
    "blur": Step.SHARPENED,
    "gauss": Step.SMOOTHED,
    "salt": Step.DESPECKLED,
    "shade": Step.EVENED,
    "faint": Step.EVENED,
    "photo": Step.EVENED,
    "skew": Step.LEVELED,
    "low dpi": Step.ENLARGED,
}


def view(kind: str, number: int) -> View:
    degrade = DEGRADATIONS.get(kind, clean)
    made = specimen(Part.HELD_OUT, kind, degrade, number)
    return View(pixels=made.pixels, to_page=np.eye(3)[:2], dpi=made.dpi)


def prepared(page: View, *, dense: bool = False) -> Prepared:
    mended = Mended.of(page)
    assert mended
    return mended.fitted(dense=dense)


@pytest.mark.parametrize("number", range(3))
@pytest.mark.parametrize("kind", MENDED)
def test_a_flaw_is_told_from_the_pixels_and_mended(kind: str, number: int) -> None:
    assert MENDED[kind] in prepared(view(kind, number)).steps


@pytest.mark.parametrize("number", range(3))
@pytest.mark.parametrize("kind", ["clean", "jpeg"])
def test_a_page_without_a_flaw_that_can_be_mended_is_left_as_it_is(kind: str, number: int) -> None:
    page = view(kind, number)
    made = prepared(page)
    assert set(made.steps) <= {Step.BLOCKS}
    assert np.shares_memory(made.view.pixels, page.pixels)


# ── faint print ──────────────────────────────────────────────────────────────────────────────────
def faint(*, light: int, ink: int = 150) -> View:
    """A page of gray print whose paper is darker at one side by so many gray levels."""
    page = np.asarray(printed([dense_text(3, 1200)], Sheet(dpi=200, points=8)), np.float64)
    shade = np.linspace(0, light, page.shape[1])
    pixels = np.clip(ink + page * (250 - ink - shade) / 250, 0, 255)
    return View(pixels=pixels.astype(np.uint8), to_page=np.eye(3)[:2], dpi=200)


def test_light_is_evened_where_it_is_uneven_for_the_print() -> None:
    assert Step.EVENED in prepared(faint(light=30)).steps
    assert Step.EVENED not in prepared(faint(light=5)).steps
    assert Step.EVENED not in prepared(faint(light=30, ink=0)).steps


def test_light_is_judged_by_the_print_however_little_there_is() -> None:
    page = faint(light=30, ink=0)
    page.pixels[300:] = page.pixels[10]  # no more than a line or two
    assert Step.EVENED not in prepared(page).steps
    page.pixels[:] = page.pixels[10]  # an empty page
    assert Step.EVENED not in prepared(page).steps


def test_faint_print_is_ink() -> None:
    mended = Mended.of(faint(light=0))
    assert mended
    assert mended.page.ink > 0.005


@pytest.mark.parametrize("grain", [3, 8, 20, 40])
def test_grain_on_empty_paper_is_no_ink(grain: int) -> None:
    noise = np.random.default_rng(1).normal(240, grain, (2339, 1654))
    pixels = np.clip(noise, 0, 255).astype(np.uint8)
    mended = Mended.of(View(pixels=pixels, to_page=np.eye(3)[:2], dpi=200))
    assert mended
    assert mended.page.ink < 0.002


# ── blocks ───────────────────────────────────────────────────────────────────────────────────────
INK: Final = 50  # gray levels that black print is darker by


def boxed(*boxes: tuple[int, int, int, int], gray: int = 20) -> View:
    """A page of white paper with some boxes on it: left, top, right, bottom."""
    pixels = np.full((900, 700), 245, np.uint8)
    for left, top, right, bottom in boxes:
        pixels[top:bottom, left:right] = gray
    return View(pixels=pixels, to_page=np.eye(3)[:2], dpi=200)


def test_a_part_has_some_paper_around_it_but_nothing_of_another() -> None:
    boxes = [(100, 100, 300, 140), (100, 160, 300, 200), (400, 100, 690, 200)]
    first, second, third = transform.parts(boxed(*boxes), np.array(boxes, np.int32), INK)
    assert first == (slice(90, 150), slice(90, 310))
    assert second == (slice(150, 210), slice(90, 310))
    assert third == (slice(68, 232), slice(368, 722))


def test_parts_that_reach_into_each_other_are_none() -> None:
    boxes = [(100, 100, 300, 140), (200, 139, 300, 200)]
    assert not transform.parts(boxed(*boxes), np.array(boxes, np.int32), INK)


@pytest.mark.parametrize("gray", [20, 200])
def test_a_page_with_a_mark_beside_its_parts_is_not_cut(gray: int) -> None:
    box = (100, 100, 300, 140)
    page = boxed(box, (500, 500, 502, 502), gray=gray)
    assert not transform.parts(page, np.array([box], np.int32), INK)
    page.pixels[501] = 245  # one row of it is no more than grain
    assert transform.parts(page, np.array([box], np.int32), INK)


def test_what_is_left_out_of_parts_is_fainter_than_the_print_that_is_faint() -> None:
    box = (100, 100, 300, 140)
    page = boxed(box, (500, 500, 540, 502), gray=215)
    assert transform.parts(page, np.array([box], np.int32), INK)
    assert not transform.parts(page, np.array([box], np.int32), 20)


def test_only_a_page_of_even_lines_is_read_in_blocks() -> None:
    page = view("clean", 2)
    (block,) = prepared(page).blocks
    assert page.pixels[block].size < page.pixels.size
    beside = page.pixels.copy()
    beside[400:900, 1560:1580] = 0  # a bar beside the lines
    assert not prepared(page.showing(beside)).blocks


def fine() -> View:
    """A page at 300 dpi."""
    page = view("clean", 0)
    pixels = cv2.resize(page.pixels, None, fx=1.5, fy=1.5, interpolation=cv2.INTER_CUBIC)
    return View(pixels=np.asarray(pixels, np.uint8), to_page=page.to_page, dpi=300)


def test_letters_finer_than_reading_needs_are_shrunk_to_what_it_needs() -> None:
    made = prepared(fine())
    assert made.steps == (Step.BLOCKS, Step.SHRUNK)
    assert 180 <= made.view.dpi <= 260


def test_what_is_shrunk_has_its_blocks_in_the_same_places() -> None:
    made = prepared(fine())
    (block,) = made.blocks
    outside = made.view.pixels.copy()
    outside[block] = outside.max()
    assert outside.min() > 200
    assert made.view.pixels[block].min() < 100


@pytest.mark.parametrize("factor", [0.5, 0.6, 0.83])
def test_what_is_shrunk_stays_where_it_was(factor: float) -> None:
    page = boxed((200, 300, 260, 400))
    made = transform.resized(page, factor)
    dark = 245.0 - made.pixels
    rows, columns = np.indices(dark.shape) + 0.5
    middle = [(dark * places).sum() / dark.sum() for places in (columns, rows)]
    assert made.to_page @ (*middle, 1) == pytest.approx((230, 350), abs=0.1)


def test_large_letters_do_not_shrink_the_small_print_of_the_same_page() -> None:
    poster = printed(["A GRAND SUMMER SALE " * 4], Sheet(dpi=200, points=44))
    notes = Sheet(dpi=200, points=7, inches=(8.27, 2.5))
    poster.paste(printed([dense_text(5, 300)], notes), (0, 1800))
    pixels = np.asarray(poster)
    made = prepared(View(pixels=pixels, to_page=np.eye(3)[:2], dpi=200))
    assert Step.SHRUNK not in made.steps
    pixels = np.asarray(printed(["A GRAND SUMMER SALE " * 4], Sheet(dpi=200, points=44)))
    alone = prepared(View(pixels=pixels, to_page=np.eye(3)[:2], dpi=200))
    assert Step.SHRUNK in alone.steps


def test_letters_of_dense_scripts_keep_their_pixels() -> None:
    page = fine()
    assert prepared(page, dense=True).view is page


# ── grain of the paper ───────────────────────────────────────────────────────────────────────────
def with_grain(page: View, most: int) -> View:
    draw = np.random.default_rng(7)
    grain = draw.integers(-most, most + 1, page.pixels.shape)
    return page.showing(np.clip(page.pixels + grain, 0, 255).astype(np.uint8))


@pytest.mark.parametrize(("ink", "paper"), [(20, 245), (235, 30)], ids=["dark", "light"])
def test_paper_with_grain_is_given_one_level_and_letters_are_left(ink: int, paper: int) -> None:
    page = boxed((100, 100, 300, 140), gray=ink)
    page.pixels[page.pixels == 245] = paper
    grainy = with_grain(page, 4)
    made = transform.cleaned(grainy).pixels
    letters = page.pixels == ink
    assert len(np.unique(made[~letters])) == 1
    assert np.array_equal(made[letters], grainy.pixels[letters])


def test_print_fainter_than_the_eye_sees_well_is_no_grain() -> None:
    page = boxed((100, 100, 300, 140), gray=228)
    made = transform.cleaned(with_grain(page, 4)).pixels
    assert made[100:140, 100:300].max() < made[500, 500] - 10


def test_paper_of_one_level_is_left_as_it_is() -> None:
    page = boxed((100, 100, 300, 140))
    assert transform.cleaned(page) is page


@pytest.mark.parametrize("kind", ["blur", "low dpi"])
def test_what_surrounds_letters_that_were_changed_is_no_grain(kind: str) -> None:
    assert Step.CLEANED not in prepared(view(kind, 1)).steps


def test_a_scan_is_cleaned_of_its_grain() -> None:
    assert prepared(with_grain(fine(), 4)).steps == (Step.BLOCKS, Step.SHRUNK, Step.CLEANED)


def ink(page: View) -> list[float]:
    """Return the left, top, right and bottom end of the page's ink, as places on the page."""
    rows, columns = np.nonzero(page.pixels < 128)
    corners = np.array([(columns.min(), rows.min()), (columns.max() + 1, rows.max() + 1)])
    return list((corners @ page.to_page[:, :2].T + page.to_page[:, 2]).ravel())


@pytest.mark.parametrize("page", [fine(), view("low dpi", 0)], ids=["shrunk", "enlarged"])
def test_places_on_a_page_of_another_size_are_places_on_the_page(page: View) -> None:
    made = prepared(page).view
    assert made.pixels.shape != page.pixels.shape
    assert ink(made) == pytest.approx(ink(page), abs=2)


def test_places_on_a_leveled_page_are_places_on_the_page() -> None:
    page = view("skew", 0)
    made = prepared(page).view
    height, width = made.pixels.shape
    middle = made.to_page @ (width / 2, height / 2, 1)
    assert middle == pytest.approx((page.pixels.shape[1] / 2, page.pixels.shape[0] / 2), abs=1)


@pytest.mark.parametrize("number", range(3))
def test_a_level_line_does_not_make_a_page_level(number: int) -> None:
    page = view("skew", number)
    page.pixels[1000:1006] = 0
    assert Step.LEVELED in prepared(page).steps


@pytest.mark.parametrize("shape", [(1, 2), (5, 2000), (1500, 3)])
def test_a_page_smaller_than_what_it_is_judged_by_is_judged(shape: tuple[int, int]) -> None:
    pixels = np.full(shape, 250, np.uint8)
    pixels[0, 0] = 0
    page = View(pixels=pixels, to_page=np.eye(3)[:2], dpi=0)
    assert prepared(page).view.pixels.shape == shape
