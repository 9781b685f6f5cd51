import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from docmill.adapters import pdf_text, sniff
from docmill.adapters.pdf_text import Piece
from docmill.domain import rendering, writing
from docmill.domain.alto import alto, alto_document
from docmill.domain.document import Options
from docmill.domain.plan import Source
from docmill.domain.rejection import (
    EmptyFile,
    PageOutOfRange,
    TooManyPages,
    UnknownLanguage,
    UnsupportedType,
)
from docmill.domain.words import Doubt, Look, PageText, Step, Strategy, Word
from docmill_ocr import engines, tessdata, tsv
from docmill_validator.asked import asked_pages

XHTML = "{http://www.w3.org/1999/xhtml}"
LINE = 20.0


@pytest.mark.parametrize(
    ("head", "found"),
    [
        (b"\x89PNG\r\n\x1a\n....", sniff.PNG),
        (b"\xff\xd8\xff\xe0....", sniff.JPEG),
        (b"II*\x00....", sniff.TIFF),
        (b"MM\x00*....", sniff.TIFF),
        (b"RIFF\x00\x00\x00\x00WEBPVP8 ", sniff.WEBP),
        (b"BM......", sniff.BMP),
        (b"%PDF-1.7\n", sniff.PDF),
        (b"\n\n junk before it\n%PDF-1.4\n", sniff.PDF),
    ],
)
def test_the_bytes_decide_the_type(head: bytes, found: str, tmp_path: Path) -> None:
    path = tmp_path / "misnamed.docx"
    path.write_bytes(head)
    assert sniff.media_type(path) == found


@pytest.mark.parametrize(
    ("content", "refusal"),
    [(b"", EmptyFile), (b"PK\x03\x04", UnsupportedType), (b"RIFF....WAVE", UnsupportedType)],
)
def test_other_bytes_are_refused(content: bytes, refusal: type[Exception], tmp_path: Path) -> None:
    path = tmp_path / "scan.pdf"
    path.write_bytes(content)
    with pytest.raises(refusal):
        sniff.media_type(path)


def test_all_pages_are_read_unless_some_are_asked_for() -> None:
    assert list(asked_pages(3, Options(), {})) == [1, 2, 3]
    assert list(asked_pages(3, Options(pages=(2, 3, 4)), {})) == [2, 3]


def test_pages_that_do_not_exist_are_refused() -> None:
    with pytest.raises(PageOutOfRange, match="3 pages"):
        asked_pages(3, Options(pages=(4,)), {})


def test_a_document_with_too_many_pages_is_refused_whatever_was_asked() -> None:
    with pytest.raises(TooManyPages, match="101 pages"):
        asked_pages(101, Options(pages=(1,)), {"max_pages": 100})


# ── lines, paragraphs and blocks of a text layer ────────────────────────────────────────────────
def line(text: str, top: float, left: float = 50.0) -> list[Piece]:
    words = text.split()
    ends = [False] * (len(words) - 1) + [True]
    boxes = [(left + 40.0 * i, top, left + 40.0 * i + 35, top + 10) for i in range(len(words))]
    return [Piece(*each) for each in zip(words, boxes, ends, strict=True)]


def read(*lines: list[Piece]) -> str:
    words = pdf_text.arranged([piece for each in lines for piece in each], (600, 800))
    return page_of(tuple(words)).text


def page_of(words: tuple[Word, ...], unit: str = "px") -> PageText:
    return PageText(
        number=1,
        width=600,
        height=800,
        unit=unit,
        source=Source.TEXT,
        words=words,
        engine="test 1",
    )


def test_close_lines_are_a_paragraph_and_wide_gaps_part_them() -> None:
    tops = (100, 115, 130, 175, 190)
    lines = [line(f"word number {top}", float(top)) for top in tops]
    assert [part.count("\n") + 1 for part in read(*lines).split("\n\n")] == [3, 2]


def test_columns_stay_apart() -> None:
    left = [line(f"left {i}", 100 + 15.0 * i) for i in range(3)]
    right = [line(f"right {i}", 100 + 15.0 * i, left=350) for i in range(3)]
    assert read(*left, *right) == "left 0\nleft 1\nleft 2\n\nright 0\nright 1\nright 2"


def test_words_keep_to_the_page() -> None:
    piece = Piece("edge", (-5.0, -2.0, 700.0, 12.0), ends_line=True)
    assert next(iter(pdf_text.arranged([piece], (600, 800)))).box == (0.0, 0.0, 600.0, 12.0)


def test_characters_that_no_database_takes_are_dropped() -> None:
    assert writing.cleaned("a\x00b\ue000c\N{REPLACEMENT CHARACTER}d") == "abcd"


# ── renderings ───────────────────────────────────────────────────────────────────────────────────
WORDS = (
    Word('<"&>', (10.0, 20.0, 30.0, 40.0), 91.5, 0, 0, 0),
    Word("zwei", (35.0, 20.0, 60.0, 40.0), 90.0, 0, 0, 0),
    Word("three", (10.0, 50.0, 30.0, 70.0), 80.0, 0, 1, 1),
)


def test_a_page_is_read_back_as_it_was_written() -> None:
    page = page_of(WORDS)
    assert rendering.read_page(rendering.page_json(page)) == page
    assert rendering.page_json(page) == rendering.page_json(page_of(WORDS))


def test_what_was_tried_with_a_page_is_read_back_too() -> None:
    first = Look(strategy=Strategy.PLAIN, confidence=31.5, doubt=Doubt.LOW_CONFIDENCE, kept=False)
    second = Look(strategy=Strategy.TURNED, steps=(Step.EVENED, Step.TURNED), confidence=92.0)
    page = replace(page_of(WORDS), looks=(first, second))
    assert rendering.read_page(rendering.page_json(page)) == page


def test_a_page_looked_at_once_is_written_as_the_release_before_reads_it() -> None:
    assert "looks" not in json.loads(rendering.page_json(page_of(WORDS)))


def test_words_come_with_their_geometry() -> None:
    made = json.loads("".join(rendering.words_document([page_of(WORDS)])))
    page = made["pages"][0]
    assert (page["width"], page["unit"], page["confidence"]) == (600, "px", 86.6)
    assert page["words"][2] == {
        "text": "three",
        "box": [10.0, 50.0, 30.0, 70.0],
        "confidence": 80.0,
        "block": 0,
        "paragraph": 1,
        "line": 1,
    }


def test_hocr_is_well_formed_and_nests_page_block_paragraph_line_word() -> None:
    root = ET.fromstring(rendering.hocr([page_of(WORDS), page_of(())]))
    kinds = [each.get("class") for each in root.iter() if each.get("class")]
    first = ["ocr_page", "ocr_carea", "ocr_par", "ocr_line", "ocrx_word", "ocrx_word"]
    assert kinds == [*first, "ocr_par", "ocr_line", "ocrx_word", "ocr_page"]
    word = next(each for each in root.iter(f"{XHTML}span") if each.get("class") == "ocrx_word")
    assert (word.text, word.get("title")) == ('<"&>', "bbox 10 20 30 40; x_wconf 92")


def test_hocr_of_pages_in_points_is_in_pixels_of_a_stated_resolution() -> None:
    made = rendering.hocr([page_of(WORDS, unit="pt")])
    assert "bbox 0 0 2500 3333; ppageno 0; scan_res 300 300" in made


ALTO = "{http://www.loc.gov/standards/alto/ns-v4#}"


def test_alto_nests_page_block_paragraph_line_and_word() -> None:
    root = ET.fromstring(alto(page_of(WORDS)))
    tags = [each.tag.removeprefix(ALTO) for each in root.iter()]
    first = ["PrintSpace", "ComposedBlock", "TextBlock", "TextLine", "String", "SP", "String"]
    assert tags[tags.index("PrintSpace") :] == [*first, "TextBlock", "TextLine", "String"]
    names = [each.get("ID") for each in root.iter() if each.get("ID")]
    assert len(names) == len(set(names))


def test_alto_tells_where_a_word_is_and_how_sure() -> None:
    word = next(ET.fromstring(alto(page_of(WORDS))).iter(f"{ALTO}String"))
    box = {"HPOS": "10", "VPOS": "20", "WIDTH": "20", "HEIGHT": "20"}
    assert word.attrib == {"CONTENT": '<"&>', "WC": "0.915", **box}


def test_alto_of_a_page_in_points_is_in_a_unit_that_alto_has() -> None:
    root = ET.fromstring(alto(page_of(WORDS, unit="pt")))
    assert root.findtext(f"{ALTO}Description/{ALTO}MeasurementUnit") == "inch1200"
    page = root.find(f"{ALTO}Layout/{ALTO}Page")
    assert page is not None
    assert (page.get("WIDTH"), page.get("HEIGHT")) == ("10000", "13333.3")


def test_alto_of_a_document_has_its_pages_one_after_another() -> None:
    pages = [page_of(WORDS), replace(page_of(WORDS), number=2, engine="another")]
    engines = ["another", pages[0].engine]
    root = ET.fromstring("".join(alto_document(pages, "px", engines)))
    (layout,) = root.iter(f"{ALTO}Layout")
    assert [page.get("PHYSICAL_IMG_NR") for page in layout] == ["1", "2"]
    told = {step.get("ID"): step[0].text for step in root.iter(f"{ALTO}Processing")}
    read = [told[page.get("PROCESSINGREFS")] for page in layout]
    assert read == [pages[0].engine, "another"]
    names = [each.get("ID") for each in root.iter() if each.get("ID")]
    assert len(names) == len(set(names))


def test_alto_of_a_document_asks_for_a_page_when_the_last_one_is_written() -> None:
    asked = []

    def pages() -> Iterator[PageText]:
        for number in (1, 2, 3):
            asked.append(number)
            yield replace(page_of(WORDS), number=number)

    at_each_page = [len(asked) for part in alto_document(pages(), "px", []) if "<Page" in part]
    assert at_each_page == [1, 2, 3]


def test_alto_tells_which_way_a_line_runs_and_where_no_space_stands() -> None:
    words = (
        Word("שלום", (60, 0, 90, 20), 90, 0, 0, 0),
        Word("עולם", (20, 0, 50, 20), 90, 0, 0, 0),
        Word("图书", (0, 30, 40, 50), 90, 0, 0, 1),
        Word("馆", (41, 30, 60, 50), 90, 0, 0, 1),
    )
    first, second = ET.fromstring(alto(page_of(words))).iter(f"{ALTO}TextLine")
    assert (first.get("BASEDIRECTION"), second.get("BASEDIRECTION")) == ("rtl", None)
    assert [len(list(line.iter(f"{ALTO}SP"))) for line in (first, second)] == [1, 0]


def test_alto_of_a_page_without_words_has_an_empty_print_space() -> None:
    (space,) = ET.fromstring(alto(page_of(()))).iter(f"{ALTO}PrintSpace")
    assert len(space) == 0


# ── engines ──────────────────────────────────────────────────────────────────────────────────────
def test_words_are_numbered_over_the_page() -> None:
    rows = [
        "level\tpage_num\tblock_num\tpar_num\tline_num\tword_num\tleft\ttop\twidth\theight\tconf\ttext",
        "1\t1\t0\t0\t0\t0\t0\t0\t600\t800\t-1\t",
        "5\t1\t1\t1\t1\t1\t10\t20\t30\t10\t91.26\tone",
        "5\t1\t1\t1\t2\t1\t10\t40\t30\t10\t90\ttwo",
        "5\t1\t2\t1\t1\t1\t10\t60\t30\t10\t88\t ",
        "5\t1\t3\t1\t1\t1\t10\t80\t30\t10\t87.04\tfour\x01",
    ]
    assert tsv.words("\n".join(rows)) == [
        Word("one", (10.0, 20.0, 40.0, 30.0), 91.3, 0, 0, 0),
        Word("two", (10.0, 40.0, 40.0, 50.0), 90.0, 0, 0, 1),
        Word("four", (10.0, 80.0, 40.0, 90.0), 87.0, 1, 1, 2),
    ]


def test_the_newest_installed_models_are_found(tmp_path: Path) -> None:
    for name in ("deu", "eng", "osd"):
        (tmp_path / f"{name}.traineddata").touch()
    assert tessdata.find(str(tmp_path)) == tmp_path
    assert tessdata.installed(tmp_path) == ("deu", "eng")


def test_models_for_whole_scripts_are_named_with_their_folder(tmp_path: Path) -> None:
    for name in ("eng", "script/Arabic", "kept/old"):
        path = tmp_path / f"{name}.traineddata"
        path.parent.mkdir(exist_ok=True)
        path.touch()
    assert tessdata.installed(tmp_path) == ("eng", "script/Arabic")


def test_a_model_is_told_from_another_of_its_name(tmp_path: Path) -> None:
    model = tmp_path / "eng.traineddata"
    model.write_bytes(b"one")
    first = tessdata.digest(tmp_path, "eng")
    assert first == hashlib.sha256(b"one").hexdigest()[:8]
    model.write_bytes(b"another")
    assert tessdata.digest(tmp_path, "eng") != first
    with pytest.raises(UnknownLanguage, match="tlh"):
        tessdata.digest(tmp_path, "tlh")


def test_a_folder_without_models_is_named(tmp_path: Path) -> None:
    with pytest.raises(tessdata.NoTessdata, match=str(tmp_path)):
        tessdata.find(str(tmp_path))


def test_a_language_that_is_not_installed_is_named() -> None:
    with pytest.raises(UnknownLanguage, match="tlh"):
        tessdata.joined(("eng", "tlh"), ("deu", "eng"))
    assert tessdata.joined(("eng", "deu"), ("deu", "eng")) == "eng+deu"


def test_an_unknown_engine_is_named() -> None:
    with pytest.raises(engines.UnknownEngine, match="'abbyy'; there are tesserocr, pytesseract"):
        engines.chosen({"DOCMILL_OCR_ENGINE": "abbyy"})
