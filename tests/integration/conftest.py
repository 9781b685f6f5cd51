"""What several modules of integration tests begin with."""

from pathlib import Path

import pytest

from docmill_ocr.recognise import Recognise
from tests.stack.reading import Mill


@pytest.fixture(scope="module")
def recogniser() -> Recognise:
    made = Recognise({})
    made.warm()
    return made


@pytest.fixture
def mill(tmp_path: Path, recogniser: Recognise) -> Mill:
    return Mill(tmp_path, recogniser)
