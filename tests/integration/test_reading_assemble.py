from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pikepdf
import pytest
from PIL import Image

from docmill.adapters import sniff
from docmill.domain.document import ArtifactKind, Options, Output
from docmill.domain.plan import Plan
from docmill.domain.task import Stage
from docmill.testing import documents
from docmill.testing.pictures import encoded
from docmill.work.stage import Job
from docmill_ocr.recognise import Recognise
from tests.stack.child import ACCESS, Child, started
from tests.stack.reading import Mill, Read, picture_plan


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


# ── memory ───────────────────────────────────────────────────────────────────────────────────────
MEGABYTE = 2**20
FRAMES = 50


def grainy_tiff(frames: int) -> bytes:
    """Gray pages of two megabytes each however they are packed."""
    draw = np.random.default_rng(1)
    pages = [Image.fromarray(draw.integers(0, 256, (1600, 1280), np.uint8)) for _ in range(frames)]
    return encoded(pages[0], "TIFF", save_all=True, append_images=pages[1:])


def tiff_plan(frames: int) -> Plan:
    plan = picture_plan(sniff.TIFF)
    pages = tuple(replace(plan.pages[0], number=number + 1) for number in range(frames))
    return replace(plan, total_pages=frames, pages=pages)


def assembled(child: Child, content: bytes, plan: Plan) -> Path:
    original = child.folder.inputs / "original"
    original.write_bytes(content)
    ACCESS.readable(original)
    job = Job(
        stage=Stage.ASSEMBLE,
        page=0,
        options=Options(),
        original=original,
        name=original.name,
        pages={},
        plan=plan.as_json(),
        scratch=child.folder.fresh_scratch(),
        limits={},
    )
    (made,) = (each for each in child.run(job).made if each.kind is ArtifactKind.PDF)
    return made.path


def test_a_tiff_of_many_frames_takes_the_memory_of_a_few() -> None:
    room = {"memory": 80 * MEGABYTE, "file_size": 512 * MEGABYTE}
    with started(stages="docmill_ocr.stages", **room) as child:
        child.answer()
        made = assembled(child, grainy_tiff(FRAMES), tiff_plan(FRAMES))
        assert made.stat().st_size > 1.8 * FRAMES * MEGABYTE
        with pikepdf.open(made) as file:
            assert len(file.pages) == FRAMES
