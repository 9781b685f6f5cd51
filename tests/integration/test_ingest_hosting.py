"""The service as production runs it: a gunicorn process on real servers."""

import hashlib
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx
import psutil
import pytest

from docmill.adapters.postgres.tenants import Tenants
from docmill.domain.tenant import Limits, Scope, Tenant
from docmill.ops.settings import StoreSettings
from tests.stack.api import PDF, Server, identity, server
from tests.stack.ledger import Desk, desk
from tests.stack.wait import until

MIB = 2**20


@dataclass
class Running:
    """A process, its ledger and a caller."""

    server: Server
    desk: Desk
    client: httpx.Client

    def upload(self) -> str:
        answer = self.client.post("/v1/documents", content=PDF)
        assert answer.status_code == 202, answer.text
        return answer.headers["Location"]


@pytest.fixture
def running(database_url: str, blob_settings: StoreSettings) -> Iterator[Running]:
    with started(database_url, blob_settings, threads=8, client_timeout_seconds=2) as made:
        yield made


@contextmanager
def started(database_url: str, store: StoreSettings, **settings: Any) -> Iterator[Running]:
    with desk(database_url) as ledger, server(database_url, store, **settings) as process:
        tenants = Tenants(ledger.database)
        limits = Limits(max_file_bytes=300 * MIB, max_storage_bytes=10**12)
        tenants.add(Tenant(id="one", name="one", limits=limits))
        key = tenants.add_key("one", Scope.DOCUMENTS).text
        headers = {"Authorization": f"Bearer {key}"}
        with httpx.Client(base_url=process.url, headers=headers, timeout=120) as client:
            yield Running(process, ledger, client)


@pytest.mark.slow
@pytest.mark.parametrize("way", ["raw", "chunked", "form"])
def test_200_mb_pass_in_bounded_memory(running: Running, way: str) -> None:
    running.upload()  # whatever is loaded lazily is loaded now
    (worker,) = psutil.Process(running.server.process.pid).children()
    before = worker.memory_info().rss
    with peak_of(worker) as peak:
        answer = send(running, way, 200 * MIB)
    assert answer.status_code == 202, answer.text
    assert answer.json()["sha256"] == digest(200 * MIB)
    assert peak[0] - before < 50 * MIB


def send(running: Running, way: str, size: int) -> httpx.Response:
    head = b'--b\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\n'
    match way:
        case "raw":
            headers = {"Content-Length": str(size), "Content-Type": "image/tiff"}
            return running.client.post("/v1/documents", content=body(size), headers=headers)
        case "chunked":
            return running.client.post("/v1/documents", content=body(size))
        case _:
            form = (part for parts in ([head], body(size), [b"\r\n--b--\r\n"]) for part in parts)
            headers = {"Content-Type": "multipart/form-data; boundary=b"}
            return running.client.post("/v1/documents", content=form, headers=headers)


def body(size: int) -> Iterator[bytes]:
    block = bytes(range(256)) * 256
    yield from (block for _ in range(size // len(block)))


def digest(size: int) -> str:
    whole = hashlib.sha256()
    for block in body(size):
        whole.update(block)
    return whole.hexdigest()


@contextmanager
def peak_of(process: psutil.Process) -> Iterator[list[int]]:
    peak, over = [0], threading.Event()

    def watch() -> None:
        while not over.wait(0.02):
            peak[0] = max(peak[0], process.memory_info().rss)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield peak
    finally:
        over.set()
        watcher.join()


@pytest.mark.parametrize(
    "headers", [{}, {"Content-Length": str(20 * MIB)}], ids=["chunked", "said"]
)
def test_a_file_over_the_limit_is_refused_while_it_comes(
    running: Running, headers: dict[str, str]
) -> None:
    running.desk.do("UPDATE tenant SET max_file_bytes = 1000000 WHERE id = 'one'")
    answer = running.client.post("/v1/documents", content=body(20 * MIB), headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (413, "file_too_large")
    assert answer.headers["Connection"] == "close"
    assert running.client.get("/v1/documents").json()["items"] == []


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
def test_a_caller_who_hangs_up_leaves_a_discarded_blob(running: Running, *, chunked: bool) -> None:
    with closing(begun_upload(running, chunked=chunked)):
        until(lambda: blobs(running) == [("uploading", False)])
    until(lambda: blobs(running) == [("uploading", True)])
    assert running.client.get("/v1/documents").json()["items"] == []


def test_a_caller_who_stalls_is_let_go(running: Running) -> None:
    with closing(begun_upload(running, chunked=False)) as connection:
        until(lambda: blobs(running) == [("uploading", True)], within=10)
        assert b"incomplete_upload" in b"".join(iter(lambda: connection.recv(65536), b""))


def begun_upload(running: Running, *, chunked: bool) -> socket.socket:
    length = "Transfer-Encoding: chunked" if chunked else "Content-Length: 1000"
    content = "5\r\nhello\r\n" if chunked else "hello"
    address = urlsplit(running.server.url)
    connection = socket.create_connection((address.hostname, address.port))
    key = running.client.headers["Authorization"]
    connection.sendall(
        f"POST /v1/documents HTTP/1.1\r\nHost: x\r\nAuthorization: {key}\r\n"
        f"{length}\r\n\r\n{content}".encode()
    )
    return connection


def blobs(running: Running) -> list[tuple[str, bool]]:
    rows = running.desk.do("SELECT state, expires_at <= now() AS discarded FROM blob")
    return [(row["state"], row["discarded"]) for row in rows]


class TestWaiting:
    def test_a_change_wakes_who_waits_within_a_second(self, running: Running) -> None:
        path = running.upload()
        with ThreadPoolExecutor(1) as threads:
            waiting = threads.submit(running.client.get, f"{path}?wait=30")
            until(lambda: metric(running, "docmill_http_waiting") == 1)
            running.desk.lifecycle.cancel("one", identity(path), by="test")
            changed = time.monotonic()
            answer = waiting.result(timeout=10)
        assert time.monotonic() - changed < 1
        assert answer.json()["state"] == "cancelled"

    def test_a_lost_notification_costs_a_second(self, running: Running) -> None:
        path = running.upload()
        with ThreadPoolExecutor(1) as threads:
            waiting = threads.submit(running.client.get, f"{path}?wait=30")
            until(lambda: metric(running, "docmill_http_waiting") == 1)
            running.desk.do("UPDATE document SET version = version + 1")
            changed = time.monotonic()
            waiting.result(timeout=10)
        assert time.monotonic() - changed < 3

    def test_the_wait_ends_with_its_time(self, running: Running) -> None:
        path = running.upload()
        begun = time.monotonic()
        assert running.client.get(f"{path}?wait=0.5").json()["state"] == "received"
        assert 0.4 < time.monotonic() - begun < 3

    def test_half_the_threads_wait_and_the_next_is_answered_at_once(self, running: Running) -> None:
        path = running.upload()
        with ThreadPoolExecutor(4) as threads:
            for _ in range(4):
                threads.submit(running.client.get, f"{path}?wait=30")
            until(lambda: metric(running, "docmill_http_waiting") == 4)
            answer = running.client.get(f"{path}?wait=30")
            assert (answer.status_code, answer.headers["Retry-After"]) == (200, "1")
            running.client.post(f"{path}/cancel")

    def test_events_stream_as_they_happen(self, running: Running) -> None:
        path = running.upload()
        headers = {"Accept": "text/event-stream"}
        with running.client.stream("GET", f"{path}/events", headers=headers) as stream:
            lines = stream.iter_lines()
            assert next(line for line in lines if line.startswith("event:")) == "event: accepted"
            running.desk.lifecycle.cancel("one", identity(path), by="test")
            assert next(line for line in lines if line.startswith("event:")) == "event: cancelled"
            assert list(lines)[-1] == ""


def metric(running: Running, name: str) -> float:
    lines = running.server.health("metrics").text.splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith(name))


class TestHealth:
    def test_a_ready_service_says_what_it_needs(self, running: Running) -> None:
        assert running.server.health("livez").status_code == 200
        ready = running.server.health("readyz").json()
        assert ready["status"] == "ready"
        assert set(ready["checks"]) == {"postgresql", "s3"}

    def test_a_lost_store_only_degrades(
        self, database_url: str, blob_settings: StoreSettings
    ) -> None:
        nowhere = blob_settings.model_copy(update={"s3_endpoint": "http://127.0.0.1:9"})
        with started(database_url, nowhere) as lame:
            ready = lame.server.health("readyz")
            assert (ready.status_code, ready.json()["status"]) == (200, "degraded")
            assert lame.client.post("/v1/documents", content=PDF).status_code == 503
            assert lame.client.get("/v1/documents").status_code == 200

    def test_requests_are_counted_by_route(self, running: Running) -> None:
        running.client.get(running.upload())
        counted = running.server.health("metrics").text
        assert 'route="/v1/documents/<uuid:document>"' in counted


def test_a_stop_lets_go_of_who_waits_and_ends_cleanly(running: Running) -> None:
    path = running.upload()
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(running.client.get, f"{path}?wait=60")
        until(lambda: metric(running, "docmill_http_waiting") == 1)
        os.kill(running.server.process.pid, signal.SIGTERM)
        assert waiting.result(timeout=10).json()["state"] == "received"
    assert running.server.process.wait(timeout=15) == 0
