"""Each service is a process of its own: its consumers, its health, its logs."""

import json
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final, cast

import httpx
import pytest

from deploy.local.service import NAMES
from deploy.local.stack import Stack
from docmill.adapters.rabbitmq.topology import QUEUE_ARGUMENTS
from docmill.domain.task import Pool
from docmill.testing.documents import (
    blank_page,
    born_digital_pdf,
    encrypted_pdf,
    page_png,
    page_text,
    truncated,
)
from tests.stack.flow import Caller, Inspector, pages
from tests.stack.leak import leaks
from tests.stack.wait import until

pytestmark = pytest.mark.slow
WITH_CHILDREN: Final = ("validator", "ocr", "thumbnailer")
STAGES: Final = {
    "validator": {"validate"},
    "ocr": {"recognise"},  # its only page, which it assembles too
    "thumbnailer": {"thumbnail"},
}
TO_COME: Final = (
    "SELECT count(*) FROM task WHERE state IN ('scheduled', 'ready', 'queued', 'running')"
)
OPEN_TASKS: Final = "SELECT count(*) FROM task WHERE state IN ('ready', 'queued')"


def asked(stack: Stack, path: str) -> list[dict[str, Any]]:
    """Ask RabbitMQ's management API about the vhost."""
    answer = httpx.get(f"{stack.rabbitmq.api}/{path}/docmill")
    answer.raise_for_status()
    found: list[dict[str, Any]] = answer.json()
    return found


def consumers(stack: Stack) -> dict[str, list[dict[str, Any]]]:
    """Give every queue's consumers, once all have one; the API learns of them with delay."""
    found: dict[str, list[dict[str, Any]]] = {pool.queue: [] for pool in Pool}
    for consumer in asked(stack, "consumers"):
        found[consumer["queue"]["name"]].append(consumer)
    return found if all(found.values()) else {}


# ── RabbitMQ ─────────────────────────────────────────────────────────────────────────────────────
def test_every_pool_has_its_one_queue_and_nothing_else_is_declared(stack: Stack) -> None:
    def look() -> dict[str, dict[str, Any]]:
        queues = {queue["name"]: queue for queue in asked(stack, "queues")}
        return queues if all("type" in queue for queue in queues.values()) else {}

    queues = until(look)
    assert set(queues) == {f"docmill.{pool}.v1" for pool in Pool}
    for queue in queues.values():
        assert (queue["type"], queue["durable"]) == ("quorum", True)
        assert queue["arguments"] == dict(QUEUE_ARGUMENTS)


def test_every_worker_consumes_its_pool_with_late_acknowledgement(stack: Stack) -> None:
    found = until(lambda: consumers(stack))
    for pool in Pool:
        facts = stack.services[pool].readiness()["facts"]
        for consumer in found[pool.queue]:
            assert consumer["ack_required"] is True
            assert consumer["prefetch_count"] == facts["slots"]


@contextmanager
def without_rabbitmq(stack: Stack) -> Iterator[None]:
    stack.rabbitmq.stop()
    try:
        yield
    finally:
        stack.rabbitmq.start()
        stack.rabbitmq.wait_ready()


def test_without_rabbitmq_uploads_are_taken_and_nothing_is_claimed(
    stack: Stack, client: Caller, inspect: Inspector
) -> None:
    attempts = "SELECT count(*) FROM attempt"
    until(lambda: not inspect.count(TO_COME), within=120)  # a retry might come due meanwhile
    with without_rabbitmq(stack):
        before = inspect.count(attempts)
        documents = [client.upload(body, f"{at}.png") for at, body in enumerate(pages(3, first=40))]
        inspect.passes(seconds=3)
        assert inspect.count(attempts) == before
        assert {client.get(document)["state"] for document in documents} == {"received"}
        assert inspect.count(OPEN_TASKS) == len(documents)
        degraded = [stack.services[name].readiness()["status"] for name in WITH_CHILDREN]
        assert degraded == ["degraded"] * len(WITH_CHILDREN)
    client.ended(documents)
    inspect.assert_each_ended_once(documents)
    for service in stack.services.values():
        service.wait_ready()


# ── health ───────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("name", NAMES)
def test_every_service_answers_for_itself(stack: Stack, name: str) -> None:
    service = stack.services[name]
    alive = httpx.get(f"{service.health}/livez")
    assert (alive.status_code, alive.json()["status"]) == (200, "alive")
    service.wait_ready()
    ready = service.readiness()
    assert ready["facts"]["service"] == name
    assert {"used", "idle", "waiting", "max"} <= set(ready["checks"]["postgresql"])
    metrics = httpx.get(f"{service.health}/metrics")
    assert metrics.headers["Content-Type"].startswith("text/plain")
    assert service.metric("docmill_build_info", component=name) == 1


@pytest.mark.parametrize("name", WITH_CHILDREN)
def test_workers_name_what_their_sandbox_lacks(stack: Stack, name: str) -> None:
    service = stack.services[name]
    missing = service.readiness()["facts"]["sandbox"]["missing"]
    assert service.metric("docmill_sandbox_missing") == len(missing)


def test_the_scheduler_shows_every_job(stack: Stack) -> None:
    jobs = stack.services["scheduler"].readiness()["checks"]["jobs"]["jobs"]
    assert {"retention", "erasure", "orphans", "audit"} <= set(jobs)
    assert {job["status"] for job in jobs.values()} == {"healthy"}
    done = until(
        lambda: stack.services["scheduler"].readiness()["checks"]["jobs"]["jobs"]["erasure"].get(
            "last_success"
        )
    )  # fmt: skip
    assert done


# ── logs ─────────────────────────────────────────────────────────────────────────────────────────
def lines(stack: Stack, service: str) -> list[dict[str, Any]]:
    text = stack.services[service].log_file.read_text()
    return [json.loads(line) for line in text.splitlines()]


def logged(stack: Stack, service: str, **wanted: object) -> Sequence[Mapping[str, Any]]:
    return [
        line
        for line in lines(stack, service)
        if all(line.get(name) == value for name, value in wanted.items())
    ]


@pytest.mark.parametrize("name", NAMES)
def test_every_line_of_a_log_is_json_and_tells_when_who_and_what(stack: Stack, name: str) -> None:
    found = until(lambda: lines(stack, name))
    assert [line for line in found if not {"time", "level", "service", "event"} <= set(line)] == []
    assert {line["service"] for line in found} == {name}


def test_one_correlation_id_leads_through_every_log(stack: Stack, client: Caller) -> None:
    headers = {"X-Correlation-ID": "order-4711/scan"}
    body = pages(1, first=50)[0]
    answer = client.http.post("/v1/documents", content=body, headers=headers)
    assert answer.headers["X-Correlation-ID"] == "order-4711/scan"
    document = answer.json()["id"]
    assert client.ended([document])[0]["correlation_id"] == "order-4711/scan"
    client.thumbnail(document)
    accepted = logged(stack, "ingest", event="document_accepted", document=document)
    assert [line["correlation"] for line in accepted] == ["order-4711/scan"]
    assert {"tenant", "request", "api_key"} <= set(accepted[0])
    for worker, stages in STAGES.items():
        ended = tasks_ended(stack, worker, document, len(stages))
        assert {line["correlation"] for line in ended} == {"order-4711/scan"}
        assert {line["stage"] for line in ended} == stages
        assert [line for line in ended if not {"tenant", "task", "outcome"} <= set(line)] == []


def tasks_ended(
    stack: Stack, worker: str, document: str, count: int
) -> Sequence[Mapping[str, Any]]:
    """Give the lines of so many tasks; a line may come after what it tells."""

    def look() -> Sequence[Mapping[str, Any]]:
        found = logged(stack, worker, event="task_ended", document=document)
        return found if len(found) == count else []

    return until(look)


def test_the_correlation_id_is_in_every_line_of_the_documents_history(client: Caller) -> None:
    headers = {"X-Correlation-ID": "in-the-history"}
    answer = client.http.post("/v1/documents", content=blank_page(), headers=headers)
    document = answer.json()["id"]
    client.ended([document])
    told = [event["data"]["correlation_id"] for event in client.items(document, "events")]
    assert len(told) > 1
    assert set(told) == {"in-the-history"}


def test_errors_carry_a_correlation_id_too(client: Caller) -> None:
    answer = client.http.get("/v1/nothing", headers={"X-Correlation-ID": "lost"})
    assert (answer.status_code, answer.json()["correlation_id"]) == (404, "lost")
    own = client.http.get("/v1/nothing", headers={"X-Correlation-ID": "not fit\tto be kept"})
    assert own.json()["correlation_id"] == own.headers["X-Correlation-ID"] != ""


def test_logs_tell_neither_secrets_nor_what_documents_say(stack: Stack, client: Caller) -> None:
    documents = [
        client.upload(page_png(1, dpi=120), "scan.png"),
        client.upload(born_digital_pdf(2), "typeset.pdf"),
        client.upload(truncated(born_digital_pdf(2)), "corrupt.pdf"),
        client.upload(encrypted_pdf(), "encrypted.pdf"),
    ]
    client.ended(documents)
    client.http.get("/v1/usage", headers={"Authorization": f"Bearer {stack.key}x"})
    client.http.get("/v1/usage", params={"key": "value"})
    until(lambda: logged(stack, "ingest", event="authentication_failed"))
    assert leaks(stack) == []


def test_a_leak_would_be_seen(stack: Stack, tmp_path: Path) -> None:
    telling = tmp_path / "telling.log"
    told = [
        f'{{"key": "{stack.key}"}}',
        f'{{"url": "{stack.database_url}"}}',
        f'{{"text": "{page_text(1)[1][:60]}"}}',
        '{"event": "document_accepted"}',
    ]
    telling.write_text("\n".join(told))
    services = dict.fromkeys(NAMES, SimpleNamespace(log_file=telling))
    watched = cast("Stack", SimpleNamespace(root=stack.root, services=services))
    assert len(leaks(watched)) == 3 * len(NAMES)


def test_every_line_of_a_request_with_a_key_tells_whose_it_is(stack: Stack, client: Caller) -> None:
    client.ended([client.upload(blank_page(), "whose.png")])
    told = [line for line in lines(stack, "ingest") if line.get("path", "").startswith("/v1/")]
    refused = {line["request"] for line in told if line["status"] == httpx.codes.UNAUTHORIZED}
    opened = [
        line
        for line in lines(stack, "ingest")
        if line.get("request") and line["request"] not in refused and "status" in line
    ]
    assert opened
    assert [line for line in opened if not {"api_key", "tenant"} <= set(line)] == []


# ── metrics ──────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("name", NAMES)
def test_promtool_finds_no_fault_with_a_services_metrics(stack: Stack, name: str) -> None:
    text = httpx.get(f"{stack.services[name].health}/metrics").text
    checked = subprocess.run(
        ["promtool", "check", "metrics"], input=text, capture_output=True, check=False, text=True
    )
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")


def test_every_request_is_counted_once_whichever_thread_served_it(
    stack: Stack, client: Caller
) -> None:
    labels = {"route": "/v1/usage", "status": "200"}
    ingest = stack.services["ingest"]
    before = ingest.metric("docmill_http_requests_total", **labels)
    with ThreadPoolExecutor(16) as threads:
        answers = list(threads.map(lambda _: client.http.get("/v1/usage"), range(200)))
    assert {answer.status_code for answer in answers} == {200}
    assert ingest.metric("docmill_http_requests_total", **labels) == before + 200
