"""The searchable PDF: seen as before, and found where it is read."""

import subprocess
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pikepdf
import pytest
from pikepdf import pdfa

from docmill.adapters import pdf, pdf_text
from docmill.domain.document import EVERY_PAGE, ArtifactKind, Options
from docmill.domain.rendering import page_json
from docmill.domain.words import Word
from docmill.testing import documents
from docmill.testing.pictures import encoded
from tests.stack.reading import Mill, overlap


def placed(words: Sequence[Word], others: Sequence[Word], scale: float = 1.0) -> float:
    """Return the share of the words that lie on the same ones among the others."""
    return sum(any(lies_on(word, other, scale) for other in others) for word in words) / len(words)


def lies_on(word: Word, other: Word, scale: float) -> bool:
    box = tuple(side * scale for side in word.box)
    return word.text == other.text and overlap(box, other.box) >= 0.5


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
            seen = read.page(number)
            with pdf.page(document, number) as sheet:
                scale = sheet.get_size()[0] / seen.width
                found = pdf_text.read(document, sheet).words
            assert placed(seen.words, found, scale) >= 0.95
            assert placed(found, seen.words, 1 / scale) >= 0.95


PAGES: dict[str, Callable[[], bytes]] = {
    "scan": lambda: documents.scanned_pdf(1),
    "turned scan": lambda: documents.scanned_pdf(1, rotate=90),
    "two columns": documents.two_column_scan,
    "skewed": documents.skewed,
    "upside down": documents.upside_down,
    "clipping": documents.pasted_pdf,
}


@pytest.mark.parametrize("name", ["scan", "turned scan", "two columns", "skewed"])
def test_a_searchable_pdf_reads_in_order_in_pdfium(mill: Mill, name: str) -> None:
    read = mill.read(mill.file(PAGES[name]()))
    made = mill.assemble(read)[ArtifactKind.PDF].path
    assert by_pdfium(made) == read.page().text.split()


@pytest.mark.parametrize("name", ["scan", "turned scan", "two columns", "upside down", "clipping"])
def test_a_searchable_pdf_reads_in_order_in_poppler(mill: Mill, name: str) -> None:
    read = mill.read(mill.file(PAGES[name]()))
    made = mill.assemble(read)[ArtifactKind.PDF].path
    assert by_poppler(made) == read.page().text.split()


def by_pdfium(path: Path) -> list[str]:
    with pdf.opened(path) as document, pdf.page(document, 1) as sheet:
        return [word.text for word in pdf_text.read(document, sheet).words]


def by_poppler(path: Path) -> list[str]:
    command = ["pdftotext", str(path), "-"]
    return subprocess.run(command, capture_output=True, check=True, text=True).stdout.split()


def test_a_searchable_pdf_is_known_for_what_it_is(mill: Mill) -> None:
    made = mill.assemble(mill.read(mill.file(documents.scanned_pdf(1))))[ArtifactKind.PDF].path
    assert mill.read(made).plan.pages[0].reason == "ocr_layer"


def drawn_by_pdfium(path: Path) -> bytes:
    with pdf.opened(path) as document, pdf.page(document, 1) as sheet:
        return bytes(sheet.render(scale=100 / 72).to_numpy())


def drawn_by_poppler(path: Path) -> bytes:
    command = ["pdftoppm", "-r", "100", "-f", "1", "-l", "1", str(path)]
    return subprocess.run(command, capture_output=True, check=True).stdout


@pytest.mark.parametrize("draw", [drawn_by_pdfium, drawn_by_poppler])
@pytest.mark.parametrize(
    "make",
    [
        lambda: documents.scanned_pdf(1),
        lambda: documents.scanned_pdf(1, rotate=90),
        documents.pasted_pdf,
        documents.garbage_layer_pdf,
    ],
    ids=["scan", "turned scan", "clipping", "garbage"],
)
def test_a_pdf_looks_the_same_to_the_last_pixel(
    mill: Mill, make: Callable[[], bytes], draw: Callable[[Path], bytes]
) -> None:
    path = mill.file(make())
    made = mill.assemble(mill.read(path))[ArtifactKind.PDF].path
    assert made.read_bytes() != path.read_bytes()
    assert draw(made) == draw(path)


@pytest.mark.parametrize("draw", [drawn_by_pdfium, drawn_by_poppler])
def test_words_recognised_anew_take_the_place_of_the_old_ones_unseen(
    mill: Mill, draw: Callable[[Path], bytes]
) -> None:
    path = mill.file(documents.ocred_pdf())
    read = mill.read(path, Options(force_ocr=(EVERY_PAGE,)))
    made = mill.assemble(read)[ArtifactKind.PDF].path
    assert by_pdfium(made) == read.page().text.split()
    assert draw(made) == draw(path)


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
        drawn = pdf.rendered(sheet, pdf.contents(sheet), 200 / 72)[: documents.page_image().height]
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


# ── for the archive ──────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    "make",
    [
        documents.page_png,
        lambda: documents.page_jpeg(orientation=6),
        lambda: documents.tiff(2),
        documents.transparent,
        documents.blank_page,
        documents.receipt_photo,
    ],
    ids=["png", "jpeg", "tiff", "alpha", "blank", "colour"],
)
def test_the_pdf_of_a_picture_is_fit_for_the_archive(mill: Mill, make: Callable[[], bytes]) -> None:
    made = mill.assemble(mill.read(mill.file(make())))[ArtifactKind.PDF].path
    assert pdfa.validate_written(made, "2b").findings == []
    with pikepdf.open(made) as file, file.open_metadata() as about:
        assert about.pdfa_status == "2B"


def test_a_picture_that_no_archive_takes_is_kept_without_claiming_to_be_fit(mill: Mill) -> None:
    picture = encoded(documents.page_image().convert("CMYK"), "JPEG", dpi=(200, 200))
    made = mill.assemble(mill.read(mill.file(picture)))[ArtifactKind.PDF].path
    with pikepdf.open(made) as file, file.open_metadata() as about:
        assert about.pdfa_status == ""
        assert "/OutputIntents" not in file.Root
    assert by_pdfium(made)[:2] == ["Page", "1"]
