"""The optional engine where it works: in a child, behind the sandbox, in the memory it is given."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from PIL import Image

from docmill.domain.document import Options
from docmill.domain.rendering import read_page
from docmill.domain.task import Stage
from docmill.domain.words import PageText, Strategy
from docmill.testing import degradation, documents
from docmill.testing.pictures import encoded
from docmill.testing.scoring import error_rate
from docmill.work.settings import ChildSettings
from docmill.work.stage import Job
from docmill_ocr import tessdata
from tests.stack.child import Child, started
from tests.stack.reading import picture_plan

MEMORY = ChildSettings.model_fields["child_memory_mb"].default * 2**20
TEXT = " ".join(documents.page_text(1, 2))


@pytest.fixture
def child() -> Iterator[Child]:
    models = tessdata.find()
    settings = {"DOCMILL_OCR_SECOND_ENGINE": "rapidocr", "DOCMILL_TESSDATA": str(models)}
    plan: dict[str, Any] = {"settings": settings, "readable": [models], "memory": MEMORY}
    with started(stages="docmill_ocr.stages", **plan) as made:
        assert "rapidocr" in made.answer()["engines"][Stage.RECOGNISE]
        yield made


def unreadable() -> bytes:
    """A page that tesseract is not sure of, whatever is done to it."""
    draw = np.random.default_rng(7)
    page = np.asarray(documents.page_image(1, count=2))
    decayed = degradation.photographed(degradation.blurred(page, draw), draw)
    return encoded(Image.fromarray(decayed), "PNG", dpi=(200, 200))


def read(child: Child, content: bytes) -> PageText:
    original = child.folder.inputs / "page.png"
    original.write_bytes(content)
    original.chmod(0o644)
    job = Job(
        stage=Stage.RECOGNISE,
        page=1,
        options=Options(),
        original=original,
        name=original.name,
        pages={},
        plan=picture_plan("image/png").as_json(),
        scratch=child.folder.fresh_scratch(),
        limits={},
    )
    return read_page(child.run(job).made[0].path.read_bytes())


def test_what_reads_badly_is_read_again_inside_the_sandbox(child: Child) -> None:
    page = read(child, unreadable())
    (look,) = (look for look in page.looks if look.strategy is Strategy.SECOND_ENGINE)
    assert look.engine.startswith("rapidocr")
    assert look.kept
    assert error_rate(page.text, TEXT) <= 0.1
