import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from threading import Event, Thread
from typing import Any

from docmill.ops.settings import StoreSettings
from docmill_scheduler.main import scheduler
from docmill_scheduler.settings import SchedulerSettings
from tests.stack.ledger import desk
from tests.stack.wait import until


@contextmanager
def running(settings: SchedulerSettings) -> Iterator[str]:
    stop = Event()
    with scheduler(settings) as (loop, health):
        thread = Thread(target=loop.run, args=(stop,))
        thread.start()
        yield f"http://127.0.0.1:{health.port}"
        stop.set()
        thread.join(30)


def get(url: str) -> Any:
    with urllib.request.urlopen(url) as answer:
        return answer.read().decode()


def test_the_whole_service_runs_every_job_and_says_so(
    database_url: str, blob_settings: StoreSettings
) -> None:
    settings = SchedulerSettings(
        database_url=database_url,
        health_host="127.0.0.1",
        health_port=0,
        scheduler_tick_seconds=timedelta(milliseconds=50),
        **blob_settings.model_dump(exclude={"log_level"}),
    )

    def jobs() -> dict[str, Any]:
        found: dict[str, Any] = json.loads(get(f"{url}/readyz"))["checks"]["jobs"]["jobs"]
        return found

    with running(settings) as url:
        until(lambda: all(each.get("last_success") for each in jobs().values()))
        assert len(jobs()) == 15
        assert {each["status"] for each in jobs().values()} == {"healthy"}
        body = json.loads(get(f"{url}/readyz"))
        assert body["status"] == "ready"
        assert body["checks"]["invariants"]["checked_at"]
        assert json.loads(get(f"{url}/livez"))["status"] == "alive"
        exposed = get(f"{url}/metrics")
        assert 'docmill_invariant_violations{invariant="I1"} 0.0' in exposed
        assert 'docmill_scheduler_runs_total{cron_job="audit",result="succeeded"}' in exposed


def environment(database_url: str, store: StoreSettings) -> dict[str, str]:
    given = store.model_dump(include={"s3_endpoint", "s3_bucket", "s3_access_key", "s3_secret_key"})
    return {
        "DOCMILL_DATABASE_URL": database_url,
        "DOCMILL_HEALTH_HOST": "127.0.0.1",
        "DOCMILL_HEALTH_PORT": "0",
        **{f"DOCMILL_{name.upper()}": value for name, value in given.items()},
    }


def start(environment: dict[str, str], *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "docmill_scheduler.main", *arguments],
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_the_process_logs_json_and_leaves_cleanly_when_told(
    database_url: str, blob_settings: StoreSettings
) -> None:
    with start(environment(database_url, blob_settings)) as process:
        assert process.stdout is not None
        started = json.loads(process.stdout.readline())
        url = f"http://127.0.0.1:{started['health_port']}"
        assert (started["event"], started["service"]) == ("started", "scheduler")
        assert json.loads(get(f"{url}/livez"))["status"] == "alive"
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=30)
    assert process.returncode == 0
    assert err == ""
    assert json.loads(out.splitlines()[-1])["event"] == "stopped"


def test_the_process_names_every_bad_setting_and_does_not_start(database_url: str) -> None:
    with start({"DOCMILL_DATABASE_URL": database_url, "DOCMILL_CRON_AUDIT": "often"}) as process:
        _, err = process.communicate(timeout=30)
    assert process.returncode == 2
    assert "DOCMILL_CRON_AUDIT: Value error, 'often' is no cron expression" in err
    assert "DOCMILL_S3_ENDPOINT: Field required" in err
    assert "Traceback" not in err


def test_an_operator_audits_everything_at_once(
    database_url: str, blob_settings: StoreSettings
) -> None:
    with desk(database_url) as ledger:
        document = ledger.accept().document  # its object is in no store
    with start(environment(database_url, blob_settings), "--audit") as process:
        out, _ = process.communicate(timeout=60)
    assert process.returncode == 3
    told, audited = (json.loads(line) for line in out.splitlines())
    assert (told["event"], told["invariant"]) == ("invariant_violated", "I1")
    assert told["document"] == str(document)
    assert (audited["event"], audited["violations"]) == ("audited", 1)
