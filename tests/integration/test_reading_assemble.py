from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pikepdf
import pytest

from docmill.adapters import pdf, pdf_text
from docmill.domain.document import ArtifactKind, Options, Output
from docmill.domain.rendering import page_json
from docmill.domain.words import PageText
from docmill.testing import documents
from docmill_ocr.recognise import Recognise
from tests.stack.reading import Mill, Read, overlap


@pytest.fixture(scope="module")
def recogniser() -> Recognise:
    made = Recognise({})
    made.warm()
    return made


@pytest.fixture
def mill(tmp_path: Path, recogniser: Recognise) -> Mill:
    return Mill(tmp_path, recogniser)


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory, recogniser: Recognise) -> Read:
    mill = Mill(tmp_path_factory.mktemp("mixed"), recogniser)
    return mill.read(mill.file(documents.mixed_pdf()))


def test_the_text_has_a_form_feed_between_pages(mill: Mill, mixed: Read) -> None:
    text = mill.assemble(mixed)[ArtifactKind.TEXT].path.read_text()
    assert [part.split("\n")[0] for part in text.split("\f")] == [
        f"Page {page} of the sample document." for page in (1, 2, 3)
    ]


def test_a_page_that_failed_leaves_its_place_empty(mill: Mill, mixed: Read) -> None:
    files = {number: path for number, path in mixed.files.items() if number != 2}
    made = mill.assemble(Read(mixed.path, mixed.plan, files, mixed.options))
    parts = made[ArtifactKind.TEXT].path.read_text().split("\f")
    assert (bool(parts[0]), parts[1], bool(parts[2])) == (True, "", True)
    with pikepdf.open(made[ArtifactKind.PDF].path) as file:
        assert len(file.pages) == 3


def test_only_the_outputs_asked_for_are_made(mill: Mill, mixed: Read) -> None:
    options = Options(outputs=frozenset({Output.HOCR}))
    made = mill.assemble(Read(mixed.path, mixed.plan, mixed.files, options))
    assert set(made) == {ArtifactKind.TEXT, ArtifactKind.HOCR}
    root = ET.parse(made[ArtifactKind.HOCR].path).getroot()
    assert len([each for each in root.iter() if each.get("class") == "ocr_page"]) == 3


def test_assembling_twice_gives_the_same_bytes(mill: Mill, mixed: Read) -> None:
    first, second = mill.assemble(mixed), mill.assemble(mixed)
    for kind, made in first.items():
        assert made.path.read_bytes() == second[kind].path.read_bytes()


def matched(page: PageText, found: pdf_text.Layer, scale: float) -> float:
    """Return the share of the page's words that lie in the PDF where they were seen."""
    placed = [(word.text, word.box) for word in found.words]
    hits = 0
    for word in page.words:
        box = tuple(side * scale for side in word.box)
        hits += any(text == word.text and overlap(box, at) >= 0.5 for text, at in placed)
    return hits / len(page.words)


@pytest.mark.parametrize(
    "make",
    [
        lambda: documents.dense_page(1),
        documents.page_jpeg,
        lambda: documents.page_jpeg(orientation=6),
        documents.turned_tiff,
        documents.upside_down,
        lambda: documents.tiff(2),
        lambda: documents.scanned_pdf(2),
        lambda: documents.scanned_pdf(1, rotate=90),
        documents.transparent,
        documents.pasted_pdf,
        lambda: documents.pasted_pdf(rotate=90),
    ],
    ids=[
        "png",
        "jpeg",
        "exif",
        "tiff tag",
        "upside down",
        "tiff",
        "scans",
        "turned scan",
        "alpha",
        "clipping",
        "turned clipping",
    ],
)
def test_the_words_of_a_searchable_pdf_lie_where_they_were_seen(
    mill: Mill, make: Callable[[], bytes]
) -> None:
    read = mill.read(mill.file(make()))
    made = mill.assemble(read)[ArtifactKind.PDF].path
    with pdf.opened(made) as document:
        assert len(document) == read.plan.total_pages
        for number in read.files:
            with pdf.page(document, number) as sheet:
                scale = sheet.get_size()[0] / read.page(number).width
                assert matched(read.page(number), pdf_text.read(document, sheet), scale) >= 0.95


def test_a_searchable_pdf_reads_in_order(mill: Mill) -> None:
    read = mill.read(mill.file(documents.scanned_pdf(1)))
    made = mill.assemble(read)[ArtifactKind.PDF].path
    again = mill.read(made)
    assert again.plan.pages[0].reason == "ocr_layer"
    assert again.page().text.split() == read.page().text.split()


def test_a_mixed_page_gets_only_the_words_that_its_file_does_not_have(mill: Mill) -> None:
    read = mill.read(mill.file(documents.pasted_pdf()))
    made = mill.assemble(read)[ArtifactKind.PDF].path
    with pdf.opened(made) as document, pdf.page(document, 1) as sheet:
        found = [word.text for word in pdf_text.read(document, sheet).words]
    assert sorted(found) == sorted(word.text for word in read.page().words)


def test_invisible_text_leaves_the_picture_as_it_was(mill: Mill) -> None:
    content = documents.page_jpeg()
    made = mill.assemble(mill.read(mill.file(content)))[ArtifactKind.PDF].path
    with pikepdf.open(made) as file:
        (image,) = file.pages[0].get_images().values()
        assert image.read_raw_bytes() == content
        assert [round(float(side)) for side in file.pages[0].mediabox] == [0, 0, 595, 842]
    with pdf.opened(made) as document, pdf.page(document, 1) as sheet:
        drawn = pdf.rendered(sheet, 200 / 72)[: documents.page_image().height]
    wanted = np.asarray(documents.page_image())
    assert np.abs(drawn[:2330, :1650].astype(int) - wanted[:2330, :1650]).mean() < 3


def test_any_letter_can_be_searched_for(mill: Mill) -> None:
    read = mill.read(mill.file(documents.page_png(count=1)))
    texts = ["naïve", "Ωμέγα", "Привет", "漢字", "😀", "paren(the)sis\\"]
    words = [
        replace(word, text=text)
        for text, word in zip(texts, read.page().words[: len(texts)], strict=True)
    ]
    read.files[1].write_bytes(page_json(replace(read.page(), words=tuple(words))))
    made = mill.assemble(read)[ArtifactKind.PDF].path
    with pdf.opened(made) as document, pdf.page(document, 1) as sheet:
        assert [word.text for word in pdf_text.read(document, sheet).words] == texts


def test_a_born_digital_pdf_is_kept_byte_for_byte(mill: Mill) -> None:
    content = documents.born_digital_pdf(1)
    made = mill.assemble(mill.read(mill.file(content)))
    assert made[ArtifactKind.PDF].path.read_bytes() == content
