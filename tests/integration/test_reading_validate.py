from collections.abc import Callable
from io import BytesIO

import pikepdf
import pytest
from PIL import Image

from docmill.domain.document import EVERY_PAGE, Options
from docmill.domain.plan import Source
from docmill.domain.rejection import (
    CorruptFile,
    EncryptedPdf,
    PageOutOfRange,
    Rejection,
    TooManyPages,
    TooManyPixels,
    UnsupportedType,
)
from docmill.testing import documents
from docmill.testing.scoring import error_rate
from tests.stack.reading import Mill


def verdicts(mill: Mill, content: bytes) -> list[tuple[str, str]]:
    plan = mill.validate(mill.file(content)).facts["plan"]
    return [(page["source"], page["reason"]) for page in plan["pages"]]


@pytest.mark.parametrize(
    ("make", "refusal"),
    [
        (documents.bomb_png, TooManyPixels),
        (documents.bomb_pdf, TooManyPixels),
        (documents.encrypted_pdf, EncryptedPdf),
        (lambda: documents.truncated(documents.page_jpeg()), CorruptFile),
        (lambda: documents.truncated(documents.page_png()), CorruptFile),
        (lambda: documents.truncated(documents.tiff(2)), CorruptFile),
        (lambda: documents.truncated(documents.born_digital_pdf(), 0.1), CorruptFile),
        (lambda: b"%PDF-1.7\n", CorruptFile),
        (lambda: b"\x89PNG\r\n\x1a\n", CorruptFile),
        (lambda: b"\xff\xd8\xff\xe0", CorruptFile),
        (lambda: b"II*\x00\x08\x00\x00\x00\xff\xff", CorruptFile),
        (lambda: b"RIFF\x10\x00\x00\x00WEBPVP8 ", CorruptFile),
        (lambda: b"BM" + bytes(60), CorruptFile),
        (lambda: b"<html>", UnsupportedType),
        (lambda: documents.blank_pdf(101), TooManyPages),
    ],
)
def test_a_hostile_file_is_refused_for_what_it_is(
    mill: Mill, make: Callable[[], bytes], refusal: type[Rejection]
) -> None:
    with pytest.raises(refusal):
        mill.validate(mill.file(make()))


def test_pages_out_of_range_are_refused(mill: Mill) -> None:
    with pytest.raises(PageOutOfRange):
        mill.validate(mill.file(documents.blank_pdf(2)), Options(pages=(3,)))


def test_ocr_is_forced_on_pages_with_text_and_says_so(mill: Mill) -> None:
    path = mill.file(documents.born_digital_pdf(2))
    read = mill.read(path, Options(force_ocr=(2,)))
    assert [read.page(n).source for n in (1, 2)] == [Source.TEXT, Source.RECOGNISE]
    assert error_rate(read.page(2).text, " ".join(documents.page_text(2))) <= 0.01


OWN: dict[str, tuple[Callable[[], bytes], str, str]] = {
    "text": (lambda: documents.born_digital_pdf(1), "text", "text_layer"),
    "ocr layer": (documents.ocred_pdf, "text", "ocr_layer"),
    "empty": (documents.blank_pdf, "text", "empty_page"),
    "mixed": (documents.pasted_pdf, "mixed", "text_and_image"),
    "garbage": (documents.garbage_layer_pdf, "recognise", "garbage_text_layer"),
    "scan": (lambda: documents.scanned_pdf(1), "recognise", "no_text_layer"),
    "picture": (documents.page_png, "recognise", "image"),
}


@pytest.mark.parametrize("name", OWN)
@pytest.mark.parametrize(
    ("options", "asked"),
    [
        (Options(), None),
        (Options(force_ocr=(2,), forbid_ocr=(3,)), None),
        (Options(force_ocr=(1,)), "recognise"),
        (Options(force_ocr=(EVERY_PAGE,)), "recognise"),
        (Options(force_ocr=(1,), forbid_ocr=(EVERY_PAGE,)), "recognise"),
        (Options(forbid_ocr=(1,)), "text"),
        (Options(forbid_ocr=(EVERY_PAGE,)), "text"),
        (Options(forbid_ocr=(1,), force_ocr=(EVERY_PAGE,)), "text"),
    ],
    ids=[
        "neither",
        "others",
        "force",
        "force all",
        "force but",
        "forbid",
        "forbid all",
        "forbid but",
    ],
)
def test_the_callers_word_decides_and_what_the_page_is_stays_told(
    mill: Mill, name: str, options: Options, asked: str | None
) -> None:
    make, source, reason = OWN[name]
    validated = mill.validate(mill.file(make()), options)
    (page,) = validated.facts["plan"]["pages"]
    assert (page["source"], page["reason"]) == (asked or source, reason)
    assert len(validated.made) == (page["source"] == "text")


def test_text_that_is_garbage_is_given_for_what_it_is_where_ocr_is_forbidden(mill: Mill) -> None:
    path = mill.file(documents.garbage_layer_pdf())
    words = mill.read(path, Options(forbid_ocr=(1,))).page().words
    assert len(words) > 100
    assert {word.confidence for word in words} == {0.0}


@pytest.mark.parametrize("make", [lambda: documents.scanned_pdf(1), documents.page_png])
def test_ocr_is_forbidden_on_pages_without_text_and_they_have_none(
    mill: Mill, make: Callable[[], bytes]
) -> None:
    path, options = mill.file(make()), Options(forbid_ocr=(EVERY_PAGE,))
    assert mill.read(path, options).text == ""


def test_a_pdf_protected_against_changes_only_is_read(mill: Mill) -> None:
    assert verdicts(mill, documents.encrypted_pdf(owner_only=True)) == [("text", "text_layer")]


def test_an_a0_plan_within_the_budget_is_accepted(mill: Mill) -> None:
    plan = Image.new("1", (19_866, 28_087), 1)
    file = BytesIO()
    plan.save(file, "TIFF", compression="group4", dpi=(600, 600))
    assert verdicts(mill, file.getvalue()) == [("recognise", "image")]


def test_each_page_of_a_mixed_pdf_is_judged_by_itself(mill: Mill) -> None:
    assert verdicts(mill, documents.mixed_pdf()) == [
        ("text", "text_layer"),
        ("recognise", "no_text_layer"),
        ("mixed", "text_and_image"),
    ]


def test_text_under_a_scan_is_an_ocr_layer_though_it_is_not_invisible(mill: Mill) -> None:
    with pikepdf.open(BytesIO(documents.ocred_pdf())) as file:
        content = file.pages[0].Contents.read_bytes().replace(b"3 Tr", b"0 Tr")
        picture, text = content.split(b"Q\n", 1)
        file.pages[0].Contents = file.make_stream(text + picture + b"Q\n")
        under = BytesIO()
        file.save(under)
    assert verdicts(mill, under.getvalue()) == [("text", "ocr_layer")]


def test_a_page_with_text_and_a_clipping_gives_both_in_their_order(mill: Mill) -> None:
    page = mill.read(mill.file(documents.pasted_pdf())).page()
    own = " ".join(documents.page_text(1, 2)).split()
    clipped = " ".join(documents.page_text(2, 1)).split()
    texts = [word.text for word in page.words]
    assert page.source is Source.MIXED
    assert texts[: len(own)] == own
    assert {word.confidence for word in page.words[: len(own)]} == {100.0}
    assert texts[-4:] == ["Copy", "3", "of", "3"]
    assert error_rate(" ".join(texts[len(own) : -4]), " ".join(clipped)) <= 0.01


@pytest.mark.parametrize(
    ("make", "verdict"),
    [
        (documents.garbage_layer_pdf, ("recognise", "garbage_text_layer")),
        (documents.ocred_pdf, ("text", "ocr_layer")),
        (documents.blank_pdf, ("text", "empty_page")),
    ],
)
def test_a_text_layer_is_believed_only_for_good_reasons(
    mill: Mill, make: Callable[[], bytes], verdict: tuple[str, str]
) -> None:
    assert verdicts(mill, make()) == [verdict]


def test_a_born_digital_page_needs_no_recognition(mill: Mill) -> None:
    read = mill.read(mill.file(documents.born_digital_pdf(2)))
    assert error_rate(read.page(2).text, " ".join(documents.page_text(2))) == 0
    assert {word.confidence for word in read.page(2).words} == {100.0}
    assert [read.page(2).width, read.page(2).height, read.page(2).unit] == [595, 842, "pt"]


def test_columns_are_read_one_after_the_other(mill: Mill) -> None:
    text = " ".join(documents.page_text(1, 2) + documents.page_text(2, 2))
    assert error_rate(mill.read(mill.file(documents.two_column_pdf())).text, text) == 0


def test_values_of_form_fields_are_text(mill: Mill) -> None:
    words = mill.read(mill.file(documents.form_pdf("Ada Lovelace"))).page().words
    assert [word.text for word in words[-2:]] == ["Ada", "Lovelace"]
    assert words[-1].box[0] > words[-2].box[2]


def test_a_page_turned_by_its_file_is_read_as_it_is_shown(mill: Mill) -> None:
    upright = mill.read(mill.file(documents.born_digital_pdf(1))).page()
    with pikepdf.open(BytesIO(documents.born_digital_pdf(1))) as file:
        file.pages[0].Rotate = 90  # and its content the other way
        file.pages[0].MediaBox = pikepdf.Array([0, 0, 842, 595])
        file.pages[0].contents_add(b"0 1 -1 0 842 0 cm", prepend=True)
        turned = BytesIO()
        file.save(turned)
    page = mill.read(mill.file(turned.getvalue())).page()
    assert (page.width, page.height) == (595, 842)
    assert [word.text for word in page.words] == [word.text for word in upright.words]
    for one, other in zip(page.words, upright.words, strict=True):
        assert one.box == pytest.approx(other.box, abs=0.1)
