"""A worker process as it is run: RabbitMQ, health, signals."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest

from docmill.adapters.s3 import S3Blobs, connect
from docmill.domain.task import Pool
from docmill.ops.settings import StoreSettings
from tests.stack.hints import publish
from tests.stack.ledger import Desk, desk, product
from tests.stack.measure import measured
from tests.stack.wait import until

PROGRAM = """
import os
from docmill.domain.task import Pool
from docmill.ops.logging import configure
from docmill.work.childhost import Trade, serve_children
from docmill.work.settings import ChildSettings
configure("test", "DEBUG")
trade = Trade(pool=Pool.OCR, stages="docmill.testing.hostile", languages=["eng"])
serve_children(trade, ChildSettings.from_env(os.environ))
"""


class Worker:
    """A worker process with hostile stages, and what its tests ask of it."""

    def __init__(self, process: subprocess.Popen[bytes], desk: Desk, log: Path) -> None:
        self.process = process
        self.desk = desk
        self._log = log

    def log(self) -> str:
        return self._log.read_text()

    @property
    def address(self) -> str:
        line = next(line for line in self.log().splitlines() if '"event": "started"' in line)
        return "http://127.0.0.1:" + line.split('"port": ')[1].split(",")[0].rstrip("}")

    def ready(self) -> dict[str, Any]:
        answer: dict[str, Any] = httpx.get(f"{self.address}/readyz", timeout=10).json()
        return answer

    def states(self, document: UUID) -> list[str]:
        rows = self.desk.tasks(document)
        return [row["state"] for row in rows if row["stage"] == "recognise"]


@contextmanager
def worker(
    desk: Desk, rabbitmq_url: str, store: StoreSettings, folder: Path, **changes: str
) -> Iterator[Worker]:
    environment = {
        "PATH": os.environ["PATH"],
        "DOCMILL_DATABASE_URL": str(desk.database.pool.conninfo),
        "DOCMILL_RABBITMQ_URL": rabbitmq_url,
        "DOCMILL_S3_ENDPOINT": store.s3_endpoint,
        "DOCMILL_S3_BUCKET": store.s3_bucket,
        "DOCMILL_S3_ACCESS_KEY": store.s3_access_key,
        "DOCMILL_S3_SECRET_KEY": store.s3_secret_key,
        "DOCMILL_HEALTH_HOST": "127.0.0.1",
        "DOCMILL_HEALTH_PORT": "0",
        "DOCMILL_SLOTS": "2",
        **measured(),
        **changes,
    }
    log = folder / "worker.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM], env=environment, stdout=output, stderr=output
        )
    made = Worker(process, desk, log)
    try:
        until(lambda: '"event": "started"' in made.log() or process.poll() is not None)
        assert process.poll() is None, made.log()
        yield made
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def ledger(database_url: str) -> Iterator[Desk]:
    with desk(database_url) as made:
        yield made


@pytest.fixture
def hosted(
    ledger: Desk, rabbitmq_url: str, blob_settings: StoreSettings, tmp_path: Path
) -> Iterator[Worker]:
    with worker(ledger, rabbitmq_url, blob_settings, tmp_path) as made:
        yield made


def accept(ledger: Desk, store: StoreSettings, behaviour: str, folder: Path) -> UUID:
    document = ledger.accept().document
    upload = folder / "upload"
    upload.write_bytes(b"hello")
    blobs = S3Blobs(connect(store), store.s3_bucket)
    blobs.put_file(f"acme/{document}/original", upload, media_type="text/plain")
    ledger.do(
        "UPDATE document SET name = %(name)s, sha256 = %(sha)s WHERE id = %(id)s",
        {"name": behaviour, "sha": sha256(b"hello").digest(), "id": document},
    )
    for claim in ledger.claims(Pool.VALIDATOR):
        ledger.ledger.commit(claim, product(claim, pages=1))
    return document


def hint(ledger: Desk, url: str) -> None:
    """Be the dispatcher for a moment."""
    publish(url, Pool.OCR, *(dispatched.hint for dispatched in ledger.pick(Pool.OCR)))


def test_a_hint_is_worked_off_and_the_worker_is_known(
    hosted: Worker, rabbitmq_url: str, blob_settings: StoreSettings, tmp_path: Path
) -> None:
    document = accept(hosted.desk, blob_settings, "echo", tmp_path)
    hint(hosted.desk, rabbitmq_url)
    until(lambda: hosted.states(document) == ["done"])
    (row,) = hosted.desk.do("SELECT pool, slots, languages FROM worker")
    assert (row["pool"], row["slots"], row["languages"]) == ("ocr", 2, ["eng"])


def test_readyz_names_what_the_sandbox_lacks(hosted: Worker) -> None:
    ready = until(lambda: (answer := hosted.ready())["status"] == "ready" and answer)
    assert ready["facts"]["sandbox"] == {"missing": []}
    assert set(ready["checks"]) == {"postgresql", "rabbitmq", "s3"}
    live = httpx.get(f"{hosted.address}/livez", timeout=10)
    assert live.status_code == 200
    metrics = httpx.get(f"{hosted.address}/metrics", timeout=10).text
    assert 'docmill_sandbox_missing{protection="seccomp"} 0.0' in metrics


def test_no_claim_without_a_hint(
    hosted: Worker, blob_settings: StoreSettings, tmp_path: Path
) -> None:
    document = accept(hosted.desk, blob_settings, "echo", tmp_path)
    hosted.desk.pick(Pool.OCR)
    until(hosted.ready)
    assert hosted.states(document) == ["queued"]


def test_sigterm_lets_finish_and_exits_0(
    hosted: Worker, rabbitmq_url: str, blob_settings: StoreSettings, tmp_path: Path
) -> None:
    document = accept(hosted.desk, blob_settings, "sleep 1.5", tmp_path)
    hint(hosted.desk, rabbitmq_url)
    until(lambda: hosted.states(document) == ["running"])
    hosted.process.send_signal(signal.SIGTERM)
    assert hosted.process.wait(timeout=20) == 0
    assert hosted.states(document) == ["done"]
    assert hosted.desk.do("SELECT id FROM worker") == []


@pytest.mark.parametrize("how", ["drain time over", "second signal"])
def test_sigterm_gives_back_what_cannot_finish(
    ledger: Desk, rabbitmq_url: str, blob_settings: StoreSettings, tmp_path: Path, how: str
) -> None:
    drain = "1" if how == "drain time over" else "60"
    document = accept(ledger, blob_settings, "sleep 60", tmp_path)
    with worker(ledger, rabbitmq_url, blob_settings, tmp_path, DOCMILL_DRAIN_SECONDS=drain) as made:
        hint(ledger, rabbitmq_url)
        until(lambda: made.states(document) == ["running"])
        made.process.send_signal(signal.SIGTERM)
        if how == "second signal":
            until(lambda: "draining" in made.log())
            made.process.send_signal(signal.SIGTERM)
        assert made.process.wait(timeout=15) == 0
        assert made.states(document) == ["ready"]
    (task,) = [row for row in ledger.tasks(document) if row["stage"] == "recognise"]
    assert (task["attempt"], task["losses"]) == (0, 0)


def test_nothing_is_left_on_disk(
    ledger: Desk, rabbitmq_url: str, blob_settings: StoreSettings, tmp_path: Path
) -> None:
    place = Path(f"/var/tmp/docmill-test-{os.getpid()}")
    place.mkdir()
    place.chmod(0o755)
    try:
        with worker(
            ledger, rabbitmq_url, blob_settings, tmp_path, DOCMILL_SCRATCH_FOLDER=str(place)
        ) as made:
            document = accept(ledger, blob_settings, "echo", tmp_path)
            hint(ledger, rabbitmq_url)
            until(lambda: made.states(document) == ["done"])
            assert list(place.iterdir()) != []
            made.process.send_signal(signal.SIGTERM)
            assert made.process.wait(timeout=15) == 0
        assert list(place.iterdir()) == []
    finally:
        place.rmdir()


@pytest.mark.parametrize("service", ["validator", "ocr", "thumbnailer"])
def test_a_bad_setting_is_named(service: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", f"docmill_{service}.main"],
        env={"PATH": os.environ["PATH"], "DOCMILL_SLOTS": "0", **measured()},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "DOCMILL_SLOTS" in done.stderr
    assert "DOCMILL_DATABASE_URL" in done.stderr
