"""What several modules of integration tests begin with."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from docmill.ops.settings import StoreSettings
from docmill_ocr.recognise import Recognise
from tests.stack.api import Api, Caller, api
from tests.stack.reading import Mill


@pytest.fixture(scope="module")
def recogniser() -> Recognise:
    made = Recognise({})
    made.warm()
    return made


@pytest.fixture
def mill(tmp_path: Path, recogniser: Recognise) -> Mill:
    return Mill(tmp_path, recogniser)


@pytest.fixture
def service(database_url: str, blob_settings: StoreSettings) -> Iterator[Api]:
    """The REST service in this process, on a database and a bucket of the test's own."""
    with api(database_url, blob_settings) as made:
        yield made


@pytest.fixture
def caller(service: Api) -> Caller:
    """Somebody with a key of the tenant `one`, which has the usual limits."""
    return service.tenant("one")
