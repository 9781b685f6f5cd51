"""A page's own words and those that OCR found in its pictures become one page."""

import numpy as np
import pytest

from docmill.domain.words import Word
from docmill_ocr import mixed
from docmill_ocr.page_image import View

TOP = (50.0, 50.0, 250.0, 62.0)
BOTTOM = (50.0, 400.0, 250.0, 412.0)
RIGHT = (320.0, 50.0, 520.0, 62.0)


def word(text: str, box: tuple[float, float, float, float], block: int, sure: float = 100) -> Word:
    return Word(text, box, sure, block, block, block)


OWN = (word("top", TOP, 0), word("bottom", BOTTOM, 1), word("right", RIGHT, 2))


@pytest.mark.parametrize(
    ("box", "order"),
    [
        ((60, 200, 200, 212), ["top", "seen", "bottom", "right"]),
        ((60, 600, 200, 612), ["top", "bottom", "seen", "right"]),
        ((60, 10, 200, 22), ["seen", "top", "bottom", "right"]),
        ((330, 200, 500, 212), ["top", "bottom", "right", "seen"]),
        ((540, 200, 590, 212), ["top", "bottom", "right", "seen"]),
    ],
    ids=["between", "below its column", "above", "in the other column", "beside everything"],
)
def test_what_was_found_is_read_where_it_stands(
    box: tuple[float, float, float, float], order: list[str]
) -> None:
    words = mixed.merged(OWN, [word("seen", box, 0, 90)])
    assert [each.text for each in words] == order
    assert [(each.block, each.paragraph, each.line) for each in words] == [
        (place, place, place) for place in range(4)
    ]


def test_what_ocr_sees_in_a_photograph_is_left_out() -> None:
    assert mixed.merged(OWN, [word("~;i", (60, 200, 200, 212), 0, 31)]) == OWN


def test_of_a_scan_with_a_stamp_nothing_is_left_out() -> None:
    faint = word("what the faint scan says", (60, 200, 200, 212), 0, 31)
    assert faint.text in [each.text for each in mixed.merged(OWN, [faint])]


def test_a_known_word_is_hidden_under_what_is_around_it() -> None:
    pixels = np.full((100, 200), 180, np.uint8)
    pixels[20:40, 50:100] = 10
    pixels[60:80, 50:100] = 10
    view = View(pixels=pixels, to_page=np.array([[0.5, 0, 0], [0, 0.5, 0]]), dpi=144)
    shown = mixed.without(view, [word("known", (25, 10, 50, 20), 0)]).pixels
    assert (shown[:50] == 180).all()
    assert (shown[50:] == pixels[50:]).all()
    assert pixels[30, 60] == 10  # the picture itself stays
