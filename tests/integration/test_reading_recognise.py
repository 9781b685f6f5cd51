import json
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, ImageDraw

from docmill.adapters.image import DEFAULT_MAX_PIXELS
from docmill.domain.document import Options
from docmill.domain.plan import Plan, Source
from docmill.domain.rejection import (
    PageUnreadable,
    UnknownLanguage,
)
from docmill.domain.rendering import read_page
from docmill.domain.words import Step, Strategy, mean_confidence
from docmill.domain.writing import OWN
from docmill.testing import documents, ruled
from docmill.testing.degradation import DEGRADATIONS
from docmill.testing.pictures import A4_INCHES, Sheet, encoded, font, printed
from docmill.testing.scoring import error_rate, word_f1
from docmill.testing.specimen import Part, specimen
from docmill_ocr import page_image, tessdata
from docmill_ocr.recognise import READING
from tests.stack.reading import Mill, picture_plan

PAGE_1 = " ".join(documents.page_text(1))


@pytest.mark.parametrize(
    "make",
    [
        documents.page_png,
        documents.page_jpeg,
        lambda: documents.page_jpeg(orientation=6),
        documents.turned_tiff,
        documents.upside_down,
        documents.skewed,
        lambda: documents.tiff(1),
        lambda: documents.scanned_pdf(1),
        lambda: documents.scanned_pdf(1, rotate=90),
        documents.garbage_layer_pdf,
    ],
    ids=[
        "png", "jpeg", "exif", "tiff tag", "upside down", "skewed", "fax", "scan", "turned scan",
        "garbage",
    ],
)  # fmt: skip
def test_a_page_is_read_however_it_lies(mill: Mill, make: Callable[[], bytes]) -> None:
    assert error_rate(mill.read(mill.file(make())).page().text, PAGE_1) <= 0.01


def test_a_page_tells_what_was_tried_with_it_and_why(mill: Mill) -> None:
    first, *_, last = mill.read(mill.file(documents.upside_down())).page().looks
    assert (first.strategy, first.kept) == (Strategy.PLAIN, False)
    assert first.doubt is not None
    assert (last.strategy, last.kept, last.doubt) == (Strategy.TURNED, True, None)
    assert last.confidence > first.confidence
    assert Step.TURNED in last.steps


def test_a_sound_page_is_looked_at_once_and_says_nothing_of_it(mill: Mill) -> None:
    page = documents.page_image()
    ImageDraw.Draw(page).line((160, 2000, 1400, 2000), fill=20, width=5)  # no line of text
    assert mill.read(mill.file(encoded(page, "PNG"))).page().looks == ()


def test_a_table_is_read_without_its_rules(mill: Mill) -> None:
    table = next(ruled.pages(Part.TUNING, ruled.Rules.GRID, 1))
    file = mill.file(encoded(Image.fromarray(table.pixels), "PNG", dpi=(300, 300)))
    page = mill.read(file).page()
    assert Step.UNRULED in page.looks[-1].steps
    assert word_f1([word.text for word in page.words], table.words) > 0.97
    assert error_rate(page.text, " ".join(table.words)) < 0.03  # row by row


def test_what_is_not_as_any_page_is_remembered_of_a_sure_one_too(mill: Mill) -> None:
    lines = printed([documents.dense_text(1, 500)], Sheet(dpi=200, points=10.5))
    (look,) = mill.read(mill.file(encoded(lines, "PNG", dpi=(200, 200)))).page().looks
    assert (look.doubt, look.steps[-1]) == (None, Step.BLOCKS)
    (look,) = mill.read(mill.file(documents.blank_page())).page().looks
    assert look.strategy is Strategy.BLANK


def test_columns_are_read_in_order_without_a_search_for_them(mill: Mill) -> None:
    texts = [documents.dense_text(seed, 700) for seed in (1, 2)]
    half = Sheet(points=10.5, inches=(A4_INCHES[0] / 2, A4_INCHES[1]))
    sheet = Image.new("L", Sheet().size, 255)
    for place, text in enumerate(texts):
        sheet.paste(printed([text], half), (place * half.size[0], 0))
    page = mill.read(mill.file(encoded(sheet, "PNG", dpi=(200, 200)))).page()
    assert page.looks[0].steps == (Step.BLOCKS,)
    assert error_rate(page.text, "\n".join(texts)) < 0.002
    left, right = ([word.box for word in page.words if word.block == block] for block in (0, 1))
    assert len(left) + len(right) == len(page.words)
    assert max(box[2] for box in left) < sheet.width / 2 < min(box[0] for box in right)


@pytest.mark.parametrize("number", range(3))
def test_faint_print_is_read_in_a_light_that_is_uneven_for_it_alone(
    mill: Mill, number: int
) -> None:
    made = specimen(Part.HELD_OUT, "faint", DEGRADATIONS["faint"], number)
    page = mill.read(mill.file(encoded(Image.fromarray(made.pixels), "PNG"))).page()
    assert error_rate(page.text, made.text) < 0.01


def test_a_page_tells_which_model_read_it(mill: Mill) -> None:
    page = mill.read(mill.file(documents.page_png())).page()
    assert page.engine.endswith(f" eng@{tessdata.digest(tessdata.find(), 'eng')}")


def test_what_a_page_was_read_with_begins_with_the_version_of_the_reading(mill: Mill) -> None:
    path = mill.file(documents.page_png())
    made = mill.recognise(path, picture_plan("image/png"), 1, Options())
    assert made.engine.startswith(f"{READING}, tesserocr ")
    assert made.engine.startswith(mill.recogniser.engine)


def test_only_what_was_recognised_is_counted(mill: Mill) -> None:
    path = mill.file(documents.pasted_pdf())
    plan = Plan.from_json(json.loads(json.dumps(mill.validate(path).facts["plan"])))
    made = mill.recognise(path, plan, 1, Options())
    page = read_page(made.made[0].path.read_bytes())
    assert page.source is Source.MIXED
    found = [word for word in page.words if word.confidence < OWN]
    assert 0 < made.facts["words"] < len(page.words)
    assert made.facts["confidence"] == pytest.approx(mean_confidence(found), abs=0.1)
    assert page.confidence == mean_confidence(page.words)


def test_a_receipt_in_bad_light_is_read(mill: Mill) -> None:
    read = mill.read(mill.file(documents.receipt_photo()))
    assert error_rate(read.text, " ".join(documents.RECEIPT)) <= 0.03


def test_transparent_paper_is_white(mill: Mill) -> None:
    read = mill.read(mill.file(documents.transparent()))
    assert read.text.startswith("Nobody could explain why the clock in the square")


def test_unequal_resolutions_are_evened_out(mill: Mill) -> None:
    tall = documents.page_image().resize((1654, 1169))
    made = encoded(tall, "PNG", dpi=(200, 100))
    read = mill.read(mill.file(made)).page()
    assert (read.width, read.height) == (1654, 1169)
    assert error_rate(read.text, PAGE_1) <= 0.02
    assert max(word.box[3] for word in read.words) < 1169


def test_a_resolution_that_is_a_lie_costs_no_memory(mill: Mill) -> None:
    made = encoded(Image.new("L", (7000, 7000), 255), "PNG", dpi=(2400, 50))
    view = page_image.load(mill.file(made), "image/png", 1, DEFAULT_MAX_PIXELS).view
    assert view.pixels.size <= page_image.MOST_PIXELS
    assert view.pixels.shape[0] == pytest.approx(48 * view.pixels.shape[1], rel=0.01)


def test_an_a0_plan_of_600_dpi_is_read_at_the_size_that_the_engine_takes(mill: Mill) -> None:
    plan = Image.new("1", (19_866, 28_087), 1)
    ImageDraw.Draw(plan).text((2000, 3000), "Ground floor, east wing", font=font(36, 600))
    read = mill.read(mill.file(encoded(plan, "TIFF", compression="group4", dpi=(600, 600))))
    assert read.text.strip() == "Ground floor, east wing"


def test_boxes_lie_on_the_page_as_its_file_shows_it(mill: Mill) -> None:
    page = mill.read(mill.file(documents.upside_down())).page()
    assert page.rotation == 180
    first, last = page.words[0].box, page.words[-1].box
    assert first[1] > last[1]  # the first line is at the bottom
    dark = np.asarray(documents.page_image().rotate(180))
    for left, top, right, bottom in (map(round, word.box) for word in page.words):
        assert dark[top:bottom, left:right].min() < 100


def test_a_blank_page_has_no_words(mill: Mill) -> None:
    assert mill.read(mill.file(documents.blank_page())).page().words == ()


def test_reading_twice_gives_the_same_bytes(mill: Mill) -> None:
    path = mill.file(documents.scanned_pdf(1))
    first, second = (mill.read(path).files[1].read_bytes() for _ in range(2))
    assert first == second


def test_a_language_that_is_not_installed_is_refused(mill: Mill) -> None:
    with pytest.raises(UnknownLanguage, match="tlh"):
        mill.read(mill.file(documents.page_png()), Options(languages=("tlh",)))


@pytest.mark.parametrize(
    ("content", "media_type"),
    [
        (documents.truncated(documents.page_png()), "image/png"),
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
    ],
)
def test_a_page_that_cannot_be_decoded_fails_alone(
    mill: Mill, content: bytes, media_type: str
) -> None:
    with pytest.raises(PageUnreadable):
        mill.recognise(mill.file(content), picture_plan(media_type), 1, Options())
