"""Rules of tables and forms: found and taken away, and nothing else."""

import cv2
import numpy as np
import pytest

from docmill.adapters.image import Pixels
from docmill.domain.words import Step
from docmill.testing.documents import dense_text
from docmill.testing.pictures import Sheet, printed
from docmill.testing.ruled import Rules, pages
from docmill.testing.specimen import Part
from docmill_ocr import rules, transform
from docmill_ocr.contrast import Contrast
from docmill_ocr.light import paper
from docmill_ocr.page_image import View
from docmill_ocr.preparation import Mended

PAPER = 240
LETTER = 24.0  # pixels
LEAST = 40


def view(pixels: Pixels) -> View:
    return View(pixels=pixels, to_page=np.eye(3)[:2], dpi=300)


def blank() -> Pixels:
    return np.full((2400, 1700), PAPER, np.uint8)


def without(pixels: Pixels) -> Pixels:
    return rules.without(view(pixels), LETTER, LEAST).pixels


def steps(pixels: Pixels, *, dense: bool = False) -> tuple[Step, ...]:
    mended = Mended.of(view(pixels))
    assert mended
    return mended.fitted(dense=dense).steps


def grid() -> Pixels:
    page = blank()
    page[200:2204, 900:904] = 20
    page[200:2204, 1300:1303] = 20
    for row in range(200, 2300, 100):
        page[row : row + 3, 100:1600] = 20
    return page


def test_upright_rules_go_and_level_ones_stay() -> None:
    made = without(grid())
    assert set(np.unique(made[203:300])) == {PAPER}
    for row in range(200, 2300, 100):
        assert np.all(made[row : row + 3, 100:890] == 20)


def test_a_rule_gets_the_colour_of_its_darker_side() -> None:
    page = blank()
    page[:, :900] = 200
    page[200:2200, 900:904] = 20
    assert np.all(without(page)[200:2200, 896:904] == 200)


@pytest.mark.parametrize("top", range(200, 210))
def test_a_rule_goes_from_end_to_end(top: int) -> None:
    page = blank()
    page[top : top + 1000, 900:903] = 20
    assert np.all(without(page) == PAPER)


def test_what_goes_across_a_rule_or_touches_it_stays() -> None:
    page = blank()
    page[500:505, 880:920] = 20  # a stroke across
    page[700:705, 904:930] = 20  # and one beside
    strokes = page.copy()
    page[200:2200, 900:904] = 20
    made = without(page)
    assert np.all(made[strokes == 20] == 20)
    assert np.all(made[520:690, 900:904] == PAPER)


@pytest.mark.parametrize(
    "mark",
    [
        np.s_[500:590, 300:304],  # a bracket
        np.s_[500:640, 300:306],  # a letter of a heading
        np.s_[100:1600, 300:320],  # a bar
        np.s_[0:90, 300:304],  # what the page's edge cuts off
        np.s_[300:304, 100:1600],  # a line under a heading
    ],
)
def test_what_is_short_thick_or_level_is_no_upright_rule(mark: tuple[slice, slice]) -> None:
    page = blank()
    page[mark] = 20
    before = view(page)
    assert rules.without(before, LETTER, LEAST) is before


def test_without_letters_nothing_is_a_rule() -> None:
    before = view(grid())
    assert rules.without(before, 0, LEAST) is before


def test_print_in_the_shade_is_no_rule() -> None:
    page = np.asarray(printed([dense_text(3, 1200)], Sheet(dpi=200, points=8)), np.float64)
    dim = (page * np.linspace(1, 0.5, page.shape[1])).astype(np.uint8)
    before = view(dim)
    assert rules.without(before, 16, LEAST) is before


def test_print_alone_shows_no_upright_rule_and_a_table_does() -> None:
    def shows(pixels: Pixels) -> bool:
        small = transform.preview(pixels)
        return rules.shown(Contrast.of(small, paper(small)).darkness)

    text = np.asarray(printed([dense_text(3, 1200)], Sheet(dpi=200, points=8)), np.uint8)
    assert not shows(text)
    assert all(shows(page.pixels) for page in pages(Part.TUNING, Rules.GRID, 5))


def test_a_table_is_searched_for_without_its_upright_rules() -> None:
    made = steps(next(pages(Part.TUNING, Rules.GRID, 1)).pixels)
    assert Step.UNRULED in made
    assert Step.BLOCKS not in made


def test_a_table_askew_is_levelled_first() -> None:
    table = next(pages(Part.TUNING, Rules.GRID, 1)).pixels
    height, width = table.shape
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), 1.5, 1.0)
    askew = np.asarray(cv2.warpAffine(table, turn, (width, height), borderValue=(250,)), np.uint8)
    made = steps(askew)
    assert made.count(Step.LEVELED) == 1
    assert made.index(Step.LEVELED) < made.index(Step.UNRULED)


def test_scripts_whose_letters_hang_from_a_line_keep_it() -> None:
    table = next(pages(Part.TUNING, Rules.GRID, 1))
    assert Step.UNRULED not in steps(table.pixels, dense=True)
