"""Fixtures for every kind of test: real servers, a database, vhost and bucket to each test."""

import gc
import os
import signal
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import NoReturn
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
import pytest

from docmill.ops.settings import StoreSettings
from tests.stack.buckets import Buckets
from tests.stack.template import Shelf, database, template_database

ROOT = Path(__file__).parents[1]
UNIT = ROOT / "tests" / "unit"


def pytest_configure() -> None:
    """End on SIGTERM as on Ctrl-C: what tests have started is stopped."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Unit tests reach no server, not even by accident; pika (1.4) drops sockets it lost."""
    for item in items:
        if item.path.is_relative_to(UNIT):
            item.add_marker(pytest.mark.disable_socket)
        if "rabbitmq_url" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"))


def absent(message: str) -> NoReturn:
    """A missing service skips a laptop and fails CI."""
    if "CI" in os.environ:
        pytest.fail(message)
    pytest.skip(message)


def server(variable: str) -> str:
    return os.environ.get(variable) or absent(f"{variable} is not set: run `make test`")


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the caller's shell says about docmill is no business of a test."""
    for name in list(os.environ):
        if name.startswith("DOCMILL_") and not name.startswith("DOCMILL_TEST_"):
            monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def postgres_url() -> str:
    """The server: a superuser in the database `postgres`."""
    return server("DOCMILL_TEST_DATABASE_URL")


@pytest.fixture(scope="session")
def template(postgres_url: str) -> str:
    """The name of a migrated database, made once per state of the migrations."""
    return template_database(postgres_url)


@pytest.fixture
def empty_database_url(postgres_url: str) -> Iterator[str]:
    """A database of the test's own with nothing in it."""
    with database(postgres_url, "template0") as url:
        yield url


@pytest.fixture(scope="session")
def databases(postgres_url: str, template: str) -> Iterator[Shelf]:
    """Where migrated databases are borrowed."""
    with closing(Shelf(postgres_url, template)) as shelf:
        yield shelf


@pytest.fixture
def database_url(databases: Shelf) -> Iterator[str]:
    """A migrated database of the test's own, with nothing in it."""
    with databases.lent() as url:
        yield url


@pytest.fixture(scope="session")
def rabbitmq_api() -> str:
    """The management API's address with its credentials, ending in /api."""
    return server("DOCMILL_TEST_RABBITMQ_API")


@pytest.fixture
def rabbitmq_url(rabbitmq_api: str) -> Iterator[str]:
    """A vhost of the test's own."""
    url = urlsplit(server("DOCMILL_TEST_RABBITMQ_URL"))
    name = f"test-{uuid4().hex}"
    rights = {"configure": ".*", "write": ".*", "read": ".*"}
    with httpx.Client(base_url=rabbitmq_api) as api:
        api.put(f"/vhosts/{name}").raise_for_status()
        api.put(f"/permissions/{name}/{url.username}", json=rights).raise_for_status()
        yield url._replace(path=f"/{name}").geturl()
        api.delete(f"/vhosts/{name}")
    gc.collect()  # while what pika dropped may still be dropped


@pytest.fixture(scope="session")
def buckets() -> Iterator[Buckets]:
    """Where buckets are borrowed."""
    store = StoreSettings(
        s3_endpoint=server("DOCMILL_TEST_S3_ENDPOINT"),
        s3_access_key=server("DOCMILL_TEST_S3_ACCESS_KEY"),
        s3_secret_key=server("DOCMILL_TEST_S3_SECRET_KEY"),
    )
    with closing(Buckets(store)) as made:
        yield made


@pytest.fixture
def blob_settings(buckets: Buckets) -> Iterator[StoreSettings]:
    """An empty bucket of the test's own, and how to reach it."""
    with buckets.lent() as settings:
        yield settings


@pytest.fixture(scope="session")
def samples() -> Path:
    """Documents from other projects, which lie beside the checkout and never in it."""
    folder = Path(os.environ.get("DOCMILL_TEST_SAMPLES", ROOT.parent / "shared" / "samples"))
    return folder if folder.is_dir() else absent(f"no samples in {folder}")
