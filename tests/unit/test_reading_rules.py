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
from docmill_ocr import prepare, rules
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


def test_rules_go_and_leave_the_colour_of_what_they_part() -> None:
    page = blank()
    page[:1000] = 200  # the shaded head of a table
    page[300:303, 100:1600] = 20
    page[1500:1502, 100:1600] = 20
    page[200:2200, 900:904] = 20
    made = without(page)
    assert set(np.unique(made[:1000])) == {200}
    assert set(np.unique(made[1000:])) == {PAPER}


def test_what_goes_across_a_rule_or_touches_it_stays() -> None:
    page = blank()
    page[280:320, 500:505] = 20  # a stroke across
    page[303:330, 700:705] = 20  # and one below
    strokes = page.copy()
    page[300:303, 100:1600] = 20
    made = without(page)
    assert np.all(made[strokes == 20] == 20)
    assert np.all(made[300:303, 520:690] == PAPER)


@pytest.mark.parametrize(
    "mark",
    [
        np.s_[300:304, 500:590],  # a dash
        np.s_[300:420, 500:506],  # a letter of a heading
        np.s_[300:320, 100:1600],  # a bar
        np.s_[0:90, 500:504],  # what the page's edge cuts off
    ],
)
def test_what_is_short_or_thick_is_no_rule(mark: tuple[slice, slice]) -> None:
    page = blank()
    page[mark] = 20
    before = view(page)
    assert rules.without(before, LETTER, LEAST) is before


def test_print_in_the_shade_is_no_rule() -> None:
    page = np.asarray(printed([dense_text(3, 1200)], Sheet(dpi=200, points=8)), np.float64)
    dim = (page * np.linspace(1, 0.5, page.shape[1])).astype(np.uint8)
    before = view(dim)
    assert rules.without(before, 16, LEAST) is before


def test_print_alone_shows_no_upright_rule_and_a_table_does() -> None:
    def shows(pixels: Pixels) -> bool:
        small = prepare.preview(pixels)
        return rules.upright(Contrast.of(small, paper(small)).darkness)

    text = np.asarray(printed([dense_text(3, 1200)], Sheet(dpi=200, points=8)), np.uint8)
    assert not shows(text)
    assert all(shows(page.pixels) for page in pages(Part.TUNING, Rules.GRID, 5))


def test_a_table_is_read_without_its_rules() -> None:
    table = next(pages(Part.HELD_OUT, Rules.GRID, 1))
    assert Step.UNRULED in steps(table.pixels)


def test_a_table_askew_is_levelled_first() -> None:
    table = next(pages(Part.HELD_OUT, Rules.GRID, 1)).pixels
    height, width = table.shape
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), 1.5, 1.0)
    askew = np.asarray(cv2.warpAffine(table, turn, (width, height), borderValue=(250,)), np.uint8)
    made = steps(askew)
    assert made.count(Step.LEVELED) == 1
    assert made.index(Step.LEVELED) < made.index(Step.UNRULED)


def test_scripts_whose_letters_hang_from_a_line_keep_it() -> None:
    table = next(pages(Part.HELD_OUT, Rules.GRID, 1))
    assert Step.UNRULED not in steps(table.pixels, dense=True)
