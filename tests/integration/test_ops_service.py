import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from prometheus_client import REGISTRY

from docmill.adapters.postgres.pool import open_pool
from docmill.adapters.s3 import S3Blobs, connect
from docmill.domain.errors import StoreDown
from docmill.ops.health import HealthServer, Probe, Pulse, Unwell, serving
from docmill.ops.settings import DatabaseSettings, StoreSettings


class Subject:
    """Something that a test makes ill."""

    def __init__(self) -> None:
        self.ill = False

    def ask(self) -> dict[str, Any]:
        if self.ill:
            raise Unwell("it is ill")
        return {"fine": True}


@pytest.fixture
def needed() -> Subject:
    return Subject()


@pytest.fixture
def useful() -> Subject:
    return Subject()


@pytest.fixture
def server(needed: Subject, useful: Subject) -> Iterator[HealthServer]:
    made = HealthServer(
        "tested",
        "127.0.0.1",
        0,
        live=[Pulse("loop", timedelta(seconds=60)).probe],
        ready=[
            Probe(name="needed", ask=needed.ask),
            Probe(name="useful", ask=useful.ask, critical=False),
        ],
        facts={"slots": 2},
    )
    with serving(made):
        yield made


def get(server: HealthServer, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{server.port}{path}") as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def ready(server: HealthServer) -> tuple[int, str]:
    code, body = get(server, "/readyz")
    return code, json.loads(body)["status"]


def test_readiness_follows_the_probes(
    server: HealthServer, needed: Subject, useful: Subject
) -> None:
    assert ready(server) == (200, "ready")
    useful.ill = True
    assert ready(server) == (200, "degraded")
    needed.ill = True
    assert ready(server) == (503, "unready")
    needed.ill = useful.ill = False
    assert ready(server) == (200, "ready")


def test_readiness_shows_every_check_and_the_facts(server: HealthServer) -> None:
    _, body = get(server, "/readyz?verbose")
    shown = json.loads(body)
    assert shown["checks"]["needed"] == {"ok": True, "critical": True, "fine": True}
    assert shown["facts"]["service"] == "tested"
    assert shown["facts"]["slots"] == 2


def test_a_draining_service_is_unready_but_alive(server: HealthServer) -> None:
    server.drain()
    assert ready(server) == (503, "unready")
    assert get(server, "/livez")[0] == 200


def test_metrics_are_exposed_with_the_build(server: HealthServer) -> None:
    code, body = get(server, "/metrics")
    assert code == 200
    assert 'docmill_build_info{component="tested"' in body


def test_other_routes_are_unknown(server: HealthServer) -> None:
    assert get(server, "/")[0] == 404


def sample(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0


def test_each_scrape_tells_how_the_pool_is_used(database_url: str) -> None:
    settings = DatabaseSettings(database_url=database_url)
    with open_pool(settings, name="test") as pool:
        assert sample("docmill_database_connections", state="used") == 0
        with pool.connection():
            assert sample("docmill_database_connections", state="used") == 1
        assert sample("docmill_database_connections", state="idle") == 1


def test_requests_to_the_store_are_timed(blob_settings: StoreSettings) -> None:
    blobs = S3Blobs(connect(blob_settings), blob_settings.s3_bucket)
    before = sample("docmill_store_seconds_count", action="head")
    blobs.ping()
    assert blobs.head("nothing") is None
    assert sample("docmill_store_seconds_count", action="head") == before + 2


def test_requests_that_the_store_does_not_answer_are_counted(
    blob_settings: StoreSettings,
) -> None:
    away = blob_settings.model_copy(update={"s3_endpoint": "http://127.0.0.1:9"})
    before = sample("docmill_store_errors_total", action="head")
    with pytest.raises(StoreDown):
        S3Blobs(connect(away), away.s3_bucket).ping()
    assert sample("docmill_store_errors_total", action="head") == before + 1
