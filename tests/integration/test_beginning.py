"""How each service begins: alive and unready until PostgreSQL answers and has the schema."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from shutil import rmtree
from uuid import uuid4

import httpx
import pytest

from deploy.local.ports import Ports
from deploy.local.run_tests import ROOT
from deploy.local.server import environment
from deploy.local.service import NAMES, Service
from docmill.adapters.postgres.migrate import migrate
from docmill.ops.settings import StoreSettings
from tests.stack.wait import until

Starting = Callable[[str, str], Service]


@pytest.fixture
def starting(rabbitmq_url: str, blob_settings: StoreSettings) -> Iterator[Starting]:
    """Start a service on a database; it ends with the test."""
    # Not in pytest's own folder, which the unprivileged children cannot reach.
    root = (ROOT / ".local" / "test" / "stacks" / f"begin-{uuid4().hex[:8]}").resolve()
    settings = environment(
        DOCMILL_RABBITMQ_URL=rabbitmq_url,
        DOCMILL_S3_ENDPOINT=blob_settings.s3_endpoint,
        DOCMILL_S3_BUCKET=blob_settings.s3_bucket,
        DOCMILL_S3_ACCESS_KEY=blob_settings.s3_access_key,
        DOCMILL_S3_SECRET_KEY=blob_settings.s3_secret_key,
    )
    with ExitStack() as opened:

        def start(name: str, database: str) -> Service:
            ports = Ports(root / "run" / "ports.json")
            given = {**settings, "DOCMILL_DATABASE_URL": database}
            return opened.enter_context(started(Service(name, root, ports, given)))

        yield start
    rmtree(root, ignore_errors=True)


@contextmanager
def started(service: Service) -> Iterator[Service]:
    service.start()
    yield service
    service.kill()


def reason(service: Service) -> str:
    """Give why it is unready; nothing as long as nobody answers."""
    said = service.readiness()
    return str(said["checks"]["postgresql"]["detail"]) if said["status"] == "unready" else ""


@pytest.mark.parametrize("name", NAMES)
def test_a_service_waits_for_the_schema_and_then_works(
    starting: Starting, empty_database_url: str, name: str
) -> None:
    service = starting(name, empty_database_url)
    assert "the schema lacks 0001_01_pre_ledger.sql" in until(lambda: reason(service))
    assert httpx.get(f"{service.health}/livez").status_code == 200
    begun = service.process.pid
    migrate(empty_database_url)
    service.wait_ready()
    assert service.process.pid == begun


def test_a_service_waits_for_postgresql_and_leaves_when_told(starting: Starting) -> None:
    service = starting("notifier", "postgresql://nobody:secret@127.0.0.1:1/none")
    told = until(lambda: reason(service))
    assert told.startswith("PostgreSQL does not answer")
    assert "secret" not in told
    assert httpx.get(f"{service.health}/livez").status_code == 200
    assert service.terminate(timeout=10)
    assert service.process.exit_code == 0
