import subprocess
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image

from docmill.domain.document import ArtifactKind, Options
from docmill.domain.plan import Source
from docmill.domain.words import PageText
from docmill.testing import documents, writing
from docmill.testing.degradation import DEGRADATIONS
from docmill.testing.pictures import encoded
from docmill.testing.scoring import error_rate
from docmill.testing.specimen import Part, specimen
from docmill.testing.writing import Writing
from docmill_ocr.recognise import Recognise
from tests.stack.reading import Mill, Read

AUTO = Options(languages=("auto",))
_MARKS = str.maketrans("", "", "\u200e\u200f\u202a\u202b\u202c\f")  # poppler's, for directions


@pytest.fixture(scope="module")
def mill(tmp_path_factory: pytest.TempPathFactory) -> Mill:
    return Mill(tmp_path_factory.mktemp("scripts"), Recognise({}))


@pytest.fixture(scope="module", params=writing.WRITINGS, ids=lambda each: each.language)
def written(request: pytest.FixtureRequest) -> Writing:
    made: Writing = request.param
    return made


@pytest.fixture(scope="module")
def read(mill: Mill, written: Writing) -> Read:
    image = encoded(writing.page(written), "PNG", dpi=(200, 200))
    return mill.read(mill.file(image), AUTO)


def lines(text: str) -> list[str]:
    return [line.strip() for line in text.translate(_MARKS).splitlines() if line.strip()]


def languages(page: PageText) -> list[str]:
    """Return what it was read in."""
    return [model.split("@")[0] for model in page.engine.split()[-1].split("+")]


def test_each_line_is_read_in_its_place(read: Read, written: Writing) -> None:
    found = lines(read.page().text)
    assert len(found) == len(written.lines)
    for line, wanted in zip(found, written.lines, strict=True):
        assert error_rate(line, wanted) <= 0.15
    assert error_rate(read.page().text, written.text) <= 0.05


def test_a_page_tells_its_script_and_what_it_was_read_with(read: Read, written: Writing) -> None:
    page = read.page()
    assert (page.script, languages(page)) == (written.script, [written.language])


def test_words_follow_each_other_as_the_script_runs(read: Read, written: Writing) -> None:
    words = read.page().words
    steps = [b.box[0] - a.box[0] for a, b in pairwise(words) if a.line == b.line]
    assert all((step < 0) is written.to_the_left for step in steps)


def test_a_searchable_pdf_reads_in_order_in_poppler(mill: Mill, read: Read) -> None:
    made = mill.assemble(read)[ArtifactKind.PDF].path
    command = ["pdftotext", "-enc", "UTF-8", str(made), "-"]
    found = subprocess.run(command, capture_output=True, check=True, text=True).stdout
    assert lines(found) == lines(read.page().text)


def test_a_searchable_pdf_is_read_again_as_it_was(mill: Mill, read: Read) -> None:
    again = mill.read(mill.assemble(read)[ArtifactKind.PDF].path)
    assert again.plan.pages[0].source is Source.TEXT
    assert lines(again.page().text) == lines(read.page().text)


# ── telling scripts ──────────────────────────────────────────────────────────────────────────────
def test_latin_is_told_too(mill: Mill) -> None:
    page = mill.read(mill.file(documents.page_png()), Options(languages=("eng", "auto"))).page()
    assert (page.script, languages(page)) == ("Latin", ["eng"])
    assert error_rate(page.text, " ".join(documents.page_text(1))) <= 0.01


def test_pages_of_one_document_are_read_each_in_its_script(mill: Mill) -> None:
    first, second = writing.page(writing.HEBREW), documents.page_image()
    file = encoded(first, "TIFF", save_all=True, append_images=[second], dpi=(200, 200))
    read = mill.read(mill.file(file), AUTO)
    assert [read.page(number).script for number in (1, 2)] == ["Hebrew", "Latin"]


def test_a_page_on_its_side_is_told_and_turned(mill: Mill) -> None:
    turned = writing.page(writing.ARABIC).rotate(90, expand=True)
    page = mill.read(mill.file(encoded(turned, "PNG", dpi=(200, 200))), AUTO).page()
    assert (page.script, page.rotation) == ("Arabic", 90)
    assert error_rate(page.text, writing.ARABIC.text) <= 0.05


@pytest.mark.parametrize(
    "blank",
    [documents.blank_page(), encoded(writing.page(writing.HEBREW).crop((0, 0, 5, 5)), "PNG")],
)
def test_a_page_without_text_has_no_script(mill: Mill, blank: bytes) -> None:
    page: PageText = mill.read(mill.file(blank), AUTO).page()
    assert (page.script, page.words) == ("", ())


@pytest.mark.parametrize("writing_", [writing.HEBREW, writing.CHINESE], ids=["hebrew", "chinese"])
@pytest.mark.parametrize("kind", ["gauss", "shade", "skew"])
def test_a_script_is_told_in_spite_of_flaws_that_are_mended(
    mill: Mill, kind: str, writing_: Writing
) -> None:
    draw = np.random.default_rng(3)
    flawed = DEGRADATIONS[kind](np.asarray(writing.page(writing_)), draw)
    file = mill.file(encoded(Image.fromarray(flawed), "PNG", dpi=(200, 200)))
    page = mill.read(file, AUTO).page()
    assert page.script == writing_.script
    assert error_rate(page.text, writing_.text) <= 0.1


@pytest.mark.parametrize("kind", ["gauss", "shade"])
def test_a_flawed_page_of_latin_is_read_as_one(mill: Mill, kind: str) -> None:
    made = specimen(Part.HELD_OUT, kind, DEGRADATIONS[kind], 0)
    image = encoded(Image.fromarray(made.pixels), "PNG", dpi=(made.dpi, made.dpi))
    page = mill.read(mill.file(image), Options(languages=("eng", "auto"))).page()
    assert (page.script, languages(page)) == ("Latin", ["eng"])
    assert error_rate(page.text, made.text) <= 0.05
