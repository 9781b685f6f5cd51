"""Which pages are lines of text and nothing else, and in which order they are read."""

from collections.abc import Callable, Iterable, Sequence
from typing import Final

import cv2
import numpy as np
import pytest
from PIL import Image, ImageDraw

from docmill.adapters.image import Pixels
from docmill.testing import documents
from docmill.testing.pictures import Sheet, font, printed, scanned
from docmill_ocr.layout import Boxes, blocks
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
    assert len(prepared(make()).blocks) == 1


def beside(draw: ImageDraw.ImageDraw, image: Image.Image) -> None:
    top = below(image) + 10
    for left, text in ((160, "Yours sincerely"), (900, "12 May")):
        draw.text((left, top), text, font=font(10.5, 200), fill=20)


def poster(draw: ImageDraw.ImageDraw, image: Image.Image) -> None:
    draw.text((160, below(image) + 150), "HEADING", font=font(60, 200), fill=20)


def small_print(draw: ImageDraw.ImageDraw, image: Image.Image) -> None:
    text = "the small print of a contract that few have read before they signed it"
    draw.text((160, below(image) + 20), text, font=font(5, 200), fill=20)


def faint_print(draw: ImageDraw.ImageDraw, image: Image.Image) -> None:
    draw.text((160, image.height - 200), "what is hardly seen", font=font(8, 200), fill=195)


def rule(draw: ImageDraw.ImageDraw, image: Image.Image) -> None:
    at = below(image) + 25
    draw.line((160, at, 1400, at), fill=20, width=5)


def dust(draw: ImageDraw.ImageDraw, image: Image.Image) -> None:
    draw.rectangle((160, image.height - 300, 166, image.height - 294), fill=20)


def picture(draw: ImageDraw.ImageDraw, image: Image.Image) -> None:
    top = below(image) + 20
    draw.rectangle((300, top, 1200, top + 400), fill=90)


@pytest.mark.parametrize("draw", [beside, poster, small_print, faint_print, rule, dust, picture])
def test_a_page_with_something_else_is_not(
    draw: Callable[[ImageDraw.ImageDraw, Image.Image], None],
) -> None:
    assert not prepared(drawn(draw)).blocks


@pytest.mark.parametrize(
    "image",
    [
        block().rotate(90, expand=True),
        block().rotate(4, fillcolor=250),
        Image.new("L", (1654, 2339), 250),
    ],
    ids=["turned", "skewed", "blank"],
)
def test_other_pages_are_not(image: Image.Image) -> None:
    assert not prepared(image).blocks


def test_scripts_of_many_strokes_are_left_to_the_engine() -> None:
    assert not prepared(block(), dense=True).blocks


# ── the mask ─────────────────────────────────────────────────────────────────────────────────────
def lines(gap: int, step: int = 7) -> Pixels:
    """Lines of two words that far apart, each in another place than the last."""
    marks = np.zeros((120, 200), np.uint8)
    for number, top in enumerate(range(10, 110, 12)):
        middle = 60 + number * step
        marks[top : top + 6, 10:middle:2] = 1
        marks[top : top + 6, middle - 1 + gap : 189 : 2] = 1
    return marks


def test_words_are_nearer_than_columns() -> None:
    assert len(blocks(lines(gap=int(1.5 * LETTER)), LETTER)) == 1
    assert not blocks(lines(gap=int(2.5 * LETTER)), LETTER)


def test_columns_hardly_farther_apart_than_words_are_told_by_the_paper_between_them() -> None:
    assert not blocks(lines(gap=int(1.5 * LETTER), step=0), LETTER)
    assert len(blocks(lines(gap=2, step=0), LETTER)) == 1  # between letters


def test_where_letters_are_too_small_to_tell_nothing_is_told() -> None:
    assert not blocks(lines(gap=2), 2.0)
    assert not blocks(lines(gap=2), 0.0)


def test_grain_is_not_looked_through() -> None:
    marks = (np.random.default_rng(1).random((700, 500)) > 0.99).astype(np.uint8)
    assert not blocks(marks, LETTER)


# ── the order of reading ─────────────────────────────────────────────────────────────────────────
LEFT: Final = (20, 240)
RIGHT: Final = (260, 480)
WHOLE: Final = (20, 480)

Line = tuple[tuple[int, int], int]  # from where to where, and at what height


def column(place: tuple[int, int], tops: Iterable[int]) -> list[Line]:
    return [(place, top) for top in tops]


def marked(*found: Line) -> Pixels:
    marks = np.zeros((700, 500), np.uint8)
    for (left, right), top in found:
        marks[top : top + 6, left:right:2] = 1
    return marks


def order(*found: Line) -> list[list[Line]]:
    """Return the lines of each block as they were drawn."""
    return [[line(box) for box in block] for block in blocks(marked(*found), LETTER)]


def line(box: Boxes) -> Line:
    left, top, right, _ = box.tolist()
    return (left, right + 1), top


TALL: Final = range(100, 500, 12)
SHORT: Final = range(106, 300, 12)


@pytest.mark.parametrize("tops", [(TALL, TALL), (TALL, SHORT), (SHORT, TALL)])
def test_columns_are_read_one_after_the_other(tops: tuple[range, range]) -> None:
    left, right = column(LEFT, tops[0]), column(RIGHT, tops[1])
    assert order(*right, *left) == [left, right]


def test_paragraphs_with_space_between_them_are_blocks() -> None:
    first, second = column(WHOLE, range(100, 200, 12)), column(WHOLE, range(220, 320, 12))
    assert order(*first, *second) == [first, second]


def test_what_lies_across_columns_is_read_before_and_after_them() -> None:
    title, footer = ((100, 400), 60), ((245, 255), 600)
    left, right = column(LEFT, TALL), column(RIGHT, TALL)
    assert order(title, *left, *right, footer) == [[title], left, right, [footer]]


@pytest.mark.parametrize("line", [((20, 220), 516), ((20, 60), 516), ((20, 220), 640)])
def test_a_line_that_may_be_its_columns_last_leaves_the_order_to_the_engine(line: Line) -> None:
    assert not order(*column(LEFT, TALL), *column(RIGHT, SHORT), line)


def test_a_line_that_may_be_its_columns_first_leaves_the_order_to_the_engine() -> None:
    assert not order((RIGHT, 76), *column(LEFT, TALL), *column(RIGHT, TALL))


def test_an_initial_that_reaches_into_the_next_line_is_left_to_the_engine() -> None:
    marks = marked(*column(WHOLE, range(100, 300, 10)))
    marks[110:116, 20:42] = 0
    assert blocks(marks, LETTER)
    marks[100:115, 20:30] = 1
    assert not blocks(marks, LETTER)


@pytest.mark.parametrize("place", [(20, 60), (440, 480)], ids=["left", "right"])
def test_a_header_and_a_footer_are_in_no_column(place: tuple[int, int]) -> None:
    header, footer = (place, 40), (place, 640)
    left, right = column(LEFT, TALL), column(RIGHT, SHORT)
    assert order(header, *left, *right, footer) == [[header], left, right, [footer]]


@pytest.mark.parametrize(
    "right",
    [
        column((260, 330), TALL),  # narrow, as the cells of a table
        column(RIGHT, range(100, 148, 12)),  # few
        [((260, 260 + 20 * (3 + n % 8)), top) for n, top in enumerate(TALL)],  # ragged
    ],
    ids=["narrow", "few", "ragged"],
)
def test_what_lies_side_by_side_and_is_no_text_is_left_to_the_engine(right: list[Line]) -> None:
    assert not order(*column(LEFT, TALL), *right)


def test_a_table_among_text_is_left_to_the_engine() -> None:
    cells = [*column((20, 100), range(300, 360, 12)), *column((200, 300), range(300, 360, 12))]
    assert not order(*column(WHOLE, range(100, 280, 12)), *cells)


@pytest.mark.parametrize("columns", [2, 3])
def test_a_frame_whose_rules_join_all_that_is_in_it_is_no_line(columns: int) -> None:
    """Cells of several lines, each nearer to its rules than two letters are high."""
    marks = np.zeros((700, 495), np.uint8)
    width = 420 // columns
    for left in range(40, 40 + columns * width + 1, width):
        marks[100:600, left] = 1
    marks[[100, 350, 600], 40 : 40 + columns * width] = 1
    for left in range(40, 40 + columns * width, width):
        for top in (*range(108, 340, 10), *range(358, 590, 10)):
            marks[top : top + 5, left + 6 : left + width - 6 : 2] = 1
    assert blocks(marks, LETTER) == []
