from xml.etree import ElementTree as ET

import pikepdf
import pytest

from docmill.domain.document import ArtifactKind, Options, Output
from docmill.testing import documents
from docmill_ocr.recognise import Recognise
from tests.stack.reading import Mill, Read


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
