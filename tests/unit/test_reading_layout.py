"""Which pages are one block of lines."""

from collections.abc import Callable, Sequence
from typing import Final

import cv2
import numpy as np
import pytest
from PIL import Image, ImageDraw

from docmill.adapters.image import Pixels
from docmill.testing import documents
from docmill.testing.pictures import Sheet, font, printed, scanned
from docmill_ocr.layout import one_block
from docmill_ocr.page_image import View
from docmill_ocr.preparation import Mended, Prepared

SHEET: Final = Sheet(dpi=200, points=10.5)
LETTER: Final = 4.5  # preview pixels of a letter of 10.5 points on A4


def page(texts: Sequence[str] = ("",), *, sheet: Sheet = SHEET) -> Image.Image:
    return printed([text or documents.dense_text(3, 900) for text in texts], sheet)


def block() -> Image.Image:
    return page()


def prepared(image: Image.Image, *, dense: bool = False) -> Prepared:
    pixels = np.asarray(image.convert("L"))
    view = View(pixels=pixels, to_page=np.eye(3)[:2], dpi=200)
    mended = Mended.of(view)
    return mended.fitted(dense=dense) if mended else Prepared(view=view)


def drawn(draw: Callable[[ImageDraw.ImageDraw, Image.Image], object]) -> Image.Image:
    image = block()
    draw(ImageDraw.Draw(image), image)
    return image


def below(image: Image.Image) -> int:
    """Return a place under the last line, in pixels."""
    return int(np.flatnonzero((np.asarray(image.convert("L")) < 128).any(axis=1))[-1])


@pytest.mark.parametrize(
    "make",
    [
        block,
        lambda: page(sheet=Sheet(dpi=300, points=10.5)),
        lambda: scanned(block(), 1),
        lambda: page([documents.dense_text(1, 2400)]),
        lambda: Image.fromarray(cv2.GaussianBlur(np.asarray(block()), (0, 0), 0.8)),
    ],
    ids=["print", "300 dpi", "scan", "full", "soft"],
)
def test_lines_under_one_another_are_one_block(make: Callable[[], Image.Image]) -> None:
    assert prepared(make()).one_block


def beside(draw: ImageDraw.ImageDraw, image: Image.Image) -> None:
    top = below(image) + 10
    for left, text in ((160, "Yours sincerely"), (900, "12 May")):
        draw.text((left, top), text, font=font(10.5, 200), fill=20)


def heading(draw: ImageDraw.ImageDraw, image: Image.Image) -> None:
    draw.text((160, below(image) + 150), "HEADING", font=font(30, 200), fill=20)


def small_print(draw: ImageDraw.ImageDraw, image: Image.Image) -> None:
    text = "the small print of a contract that few have read before they signed it"
    draw.text((160, below(image) + 20), text, font=font(5, 200), fill=20)


def rule(draw: ImageDraw.ImageDraw, image: Image.Image) -> None:
    at = below(image) + 25
    draw.line((160, at, 1400, at), fill=20, width=5)


def dust(draw: ImageDraw.ImageDraw, image: Image.Image) -> None:
    draw.rectangle((160, image.height - 300, 166, image.height - 294), fill=20)


def picture(draw: ImageDraw.ImageDraw, image: Image.Image) -> None:
    top = below(image) + 20
    draw.rectangle((300, top, 1200, top + 400), fill=90)


@pytest.mark.parametrize("draw", [beside, heading, small_print, rule, dust, picture])
def test_a_page_with_something_else_is_not(
    draw: Callable[[ImageDraw.ImageDraw, Image.Image], None],
) -> None:
    assert not prepared(drawn(draw)).one_block


@pytest.mark.parametrize(
    "image",
    [
        page(["", ""]),  # two columns
        block().rotate(90, expand=True),
        block().rotate(4, fillcolor=250),
        documents.page_image(),  # paragraphs
        Image.new("L", (1654, 2339), 250),
    ],
    ids=["columns", "turned", "skewed", "paragraphs", "blank"],
)
def test_other_pages_are_not(image: Image.Image) -> None:
    assert not prepared(image).one_block


def test_scripts_of_many_strokes_are_left_to_the_engine() -> None:
    assert not prepared(block(), dense=True).one_block


# ── the mask ─────────────────────────────────────────────────────────────────────────────────────
def lines(gap: int) -> Pixels:
    """Lines of two words that far apart."""
    marks = np.zeros((120, 200), np.uint8)
    for top in range(10, 110, 12):
        marks[top : top + 6, 10:90:2] = 1
        marks[top : top + 6, 89 + gap : 189 : 2] = 1
    return marks


def test_words_are_nearer_than_columns() -> None:
    assert one_block(lines(gap=int(1.5 * LETTER)), LETTER)
    assert not one_block(lines(gap=int(2.5 * LETTER)), LETTER)


def test_where_letters_are_too_small_to_tell_it_is_not() -> None:
    assert not one_block(lines(gap=2), 2.0)
    assert not one_block(lines(gap=2), 0.0)


def test_grain_is_not_looked_through() -> None:
    marks = (np.random.default_rng(1).random((700, 500)) > 0.99).astype(np.uint8)
    assert not one_block(marks, LETTER)
