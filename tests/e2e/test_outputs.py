"""Every output of real documents is what it says it is, and is served as HTTP wants it."""

import hashlib
import json
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any, Final
from xml.etree import ElementTree as ET

import pypdfium2 as pdfium
import pytest
from pikepdf import pdfa
from PIL import Image

from docmill.domain.alto import NAMESPACE
from docmill.testing import writing
from docmill.testing.pictures import encoded
from docmill.testing.scoring import error_rate
from tests.stack.flow import Caller
from tests.stack.samples import Sent

pytestmark = pytest.mark.slow

# name, pages, a word to find in the searchable PDF
DOCUMENTS: Final = {
    "baiona_alpha.png": (1, "Komunikabideak"),
    "born-digital-multicolumn.pdf": (3, "Lorem"),
    "multipage.pdf": (6, "England"),
    "phototest.tif": (1, "quick"),
}
SIDES: Final = {"small": 128, "medium": 400, "large": 1024}
ALTO: Final = f"{{{NAMESPACE}}}"
XHTML: Final = "{http://www.w3.org/1999/xhtml}"


@pytest.fixture
def client(sent: Sent) -> Caller:
    return sent.client


@pytest.fixture(params=DOCUMENTS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def document(sent: Sent, name: str) -> str:
    return sent.ready(name)


def test_every_word_lies_within_its_page(client: Caller, document: str, name: str) -> None:
    pages = client.part(document, "words").json()["pages"]
    assert [page["number"] for page in pages] == list(range(1, DOCUMENTS[name][0] + 1))
    outside = [word for page in pages for word in page["words"] if not within(word["box"], page)]
    assert outside == []
    assert {page["unit"] for page in pages} == {"pt" if name.endswith("pdf") else "px"}


def within(box: list[float], page: Mapping[str, Any]) -> bool:
    left, top, right, bottom = box
    width, height = float(page["width"]), float(page["height"])
    return 0 <= left < right <= width and 0 <= top < bottom <= height


def test_text_words_and_hocr_hold_the_same_words(client: Caller, document: str) -> None:
    pages = client.part(document, "words").json()["pages"]
    words = [word["text"] for page in pages for word in page["words"]]
    hocr = client.part(document, "hocr")
    tree = ET.fromstring(hocr.content)
    spans = [span.text for span in tree.iter(f"{XHTML}span") if span.get("class") == "ocrx_word"]
    assert spans == words
    assert client.text(document).split() == " ".join(words).split()
    assert hocr.headers["Content-Type"] == "application/xhtml+xml; charset=utf-8"


def test_alto_of_a_document_holds_the_same_words(client: Caller, document: str) -> None:
    pages = client.part(document, "words").json()["pages"]
    words = [word["text"] for page in pages for word in page["words"]]
    tree = ET.fromstring(client.part(document, "alto").content)
    assert [each.get("CONTENT") for each in tree.iter(f"{ALTO}String")] == words
    assert len(list(tree.iter(f"{ALTO}Page"))) == len(pages)


def test_a_page_is_read_in_the_script_that_it_is_in(client: Caller) -> None:
    body = encoded(writing.page(writing.HEBREW), "PNG", dpi=(200, 200))
    document = client.upload(body, "hebrew.png", languages="auto")
    client.ended([document])
    page = client.part(document, "pages/1").json()
    assert page["script"] == writing.HEBREW.script
    assert f" {writing.HEBREW.language}@" in page["engine"]
    assert error_rate(page["text"], writing.HEBREW.text) <= 0.05


def test_a_page_is_the_same_alone_as_within_the_whole(client: Caller, document: str) -> None:
    texts = client.text(document).split("\f")
    for page in client.items(document, "pages"):
        alone = client.part(document, f"pages/{page['number']}").json()
        assert alone["text"].strip() == texts[page["number"] - 1].strip()
        part = client.part(document, f"pages/{page['number']}/hocr")
        assert len(ET.fromstring(part.content).findall(f".//{XHTML}div[@class='ocr_page']")) == 1


def test_the_searchable_pdf_opens_and_its_text_is_found(
    client: Caller, document: str, name: str
) -> None:
    pages, word = DOCUMENTS[name]
    made = client.part(document, "pdf")
    assert made.headers["Content-Disposition"].endswith(
        f"UTF-8''{name.removesuffix('.pdf')}.searchable.pdf"
    )
    with pdfium.PdfDocument(made.content) as pdf:
        texts = [page.get_textpage().get_text_bounded() for page in pdf]
    assert len(texts) == pages
    assert word in " ".join(texts)


@pytest.mark.parametrize("picture", ["baiona_alpha.png", "phototest.tif"])
def test_the_pdf_of_a_picture_is_fit_for_the_archive(
    client: Caller, sent: Sent, picture: str
) -> None:
    made = client.part(sent.ready(picture), "pdf").content
    assert pdfa.validate_written(BytesIO(made), "2b").findings == []


def test_thumbnails_have_their_sizes_and_every_page_a_small_one(
    client: Caller, document: str, name: str
) -> None:
    page = client.part(document, "pages/1").json()
    longest = max(page["width"], page["height"]) if page["unit"] == "px" else max(SIDES.values())
    for size, side in SIDES.items():
        made = client.thumbnail(document, size=size)
        assert made.headers["Content-Type"] == "image/webp"
        with Image.open(BytesIO(made.content)) as picture:
            assert (picture.format, max(picture.size)) == ("WEBP", min(side, longest))
            assert picture.width / picture.height == pytest.approx(
                page["width"] / page["height"], rel=0.03
            )
    for number in range(1, DOCUMENTS[name][0] + 1):
        with Image.open(
            BytesIO(client.thumbnail(document, f"pages/{number}/thumbnail").content)
        ) as (picture):
            assert max(picture.size) == 128


def test_the_original_comes_back_byte_for_byte(
    client: Caller, document: str, name: str, samples: Path
) -> None:
    sent = (samples / name).read_bytes()
    original = client.part(document, "original")
    assert original.content == sent
    assert client.get(document)["sha256"] == hashlib.sha256(sent).hexdigest()
    assert original.headers["Content-Disposition"].startswith("attachment;")


@pytest.mark.parametrize("part", ["original", "text", "words", "hocr", "pdf"])
def test_ranges_and_etags_are_honoured(client: Caller, sent: Sent, part: str) -> None:
    path = f"/v1/documents/{sent.ready('phototest.tif')}/{part}"
    whole = client.http.get(path)
    some = client.http.get(path, headers={"Range": "bytes=10-19"})
    assert (some.status_code, some.content) == (206, whole.content[10:20])
    assert some.headers["Content-Range"] == f"bytes 10-19/{len(whole.content)}"
    beyond = client.http.get(path, headers={"Range": f"bytes={len(whole.content)}-"})
    assert (beyond.status_code, beyond.json()["code"]) == (416, "range_not_satisfiable")
    same = client.http.get(path, headers={"If-None-Match": whole.headers["ETag"]})
    assert (same.status_code, same.content) == (304, b"")


def test_an_unchanged_document_is_a_304(client: Caller, sent: Sent) -> None:
    path = f"/v1/documents/{sent.ready('phototest.tif')}"
    shown = client.http.get(path)
    same = client.http.get(path, headers={"If-None-Match": shown.headers["ETag"]})
    assert (same.status_code, same.content) == (304, b"")


def test_outputs_not_asked_for_are_not_made(client: Caller, samples: Path) -> None:
    body = (samples / "phototest.tif").read_bytes()
    document = client.upload(body, "text-only.tif", outputs="text")
    assert client.ended([document])[0]["state"] == "ready"
    assert client.text(document)
    for part in ("words", "hocr", "pdf", "thumbnail"):
        answer = client.http.get(f"/v1/documents/{document}/{part}")
        assert (answer.status_code, json.loads(answer.content)["code"]) == (404, "output_not_made")
