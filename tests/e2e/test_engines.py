"""The second engine behind the same port: the same documents, the same setting turned."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.stack import Stack
from docmill.testing.documents import RECEIPT, receipt_photo, scanned_pdf, tiff
from docmill.testing.scoring import error_rate
from tests.stack.flow import Caller, caller
from tests.stack.whole import whole_stack

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def pytesseract_stack() -> Iterator[Stack]:
    with whole_stack(DOCMILL_OCR_ENGINE="pytesseract") as stack:
        yield stack


@pytest.fixture
def other(pytesseract_stack: Stack) -> Iterator[Caller]:
    with caller(pytesseract_stack) as made:
        yield made


def read(client: Caller, bodies: dict[str, bytes]) -> dict[str, str]:
    documents = {name: client.upload(body, name) for name, body in bodies.items()}
    assert {each["state"] for each in client.ended(list(documents.values()))} == {"ready"}
    return {name: client.text(document) for name, document in documents.items()}


def engines(client: Caller, body: bytes) -> set[str]:
    document = client.upload(body, "engine.tiff")
    client.ended([document])
    pages = client.items(document, "pages")
    return {client.part(document, f"pages/{page['number']}").json()["engine"] for page in pages}


def test_both_engines_read_about_the_same(client: Caller, other: Caller, samples: Path) -> None:
    bodies = {"scan.pdf": scanned_pdf(2), "fax.tiff": tiff(1)}
    bodies["linn.png"] = (samples / "linn.png").read_bytes()
    ours, theirs = read(client, bodies), read(other, bodies)
    rates = {name: error_rate(theirs[name], ours[name]) for name in bodies}
    assert [name for name, rate in rates.items() if rate > 0.02] == [], rates
    assert error_rate(theirs["linn.png"], (samples / "linn.txt").read_text()) <= 0.02


def test_the_second_engine_reads_a_photo(other: Caller) -> None:
    # only its lines of one part: of two columns far apart, 5.3.0 drops the amounts
    text = read(other, {"receipt.jpg": receipt_photo()})["receipt.jpg"]
    assert [line for line in (RECEIPT[0], RECEIPT[1], RECEIPT[-1]) if line not in text] == []


def test_a_page_tells_which_engine_read_it(client: Caller, other: Caller) -> None:
    (ours,) = engines(client, tiff(1, dpi=100))
    (theirs,) = engines(other, tiff(1, dpi=100))
    assert "tesserocr" in ours
    assert "pytesseract" in theirs
