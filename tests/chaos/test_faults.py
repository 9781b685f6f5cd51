"""Each fault hits work in flight; afterwards every accepted document is ready, exactly once."""

import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pika
import pytest

from deploy.local.stack import Stack
from docmill.adapters.rabbitmq.topology import body, declare
from docmill.domain.task import Hint, Pool
from tests.stack.flow import Caller, Inspector, caller, inspector, pages
from tests.stack.proxy import proxied
from tests.stack.wait import until


@pytest.fixture
def client(stack: Stack) -> Iterator[Caller]:
    with caller(stack) as made:
        yield made


@pytest.fixture
def inspect(stack: Stack) -> Iterator[Inspector]:
    with inspector(stack) as made:
        yield made


def upload(client: Caller, count: int, *, seed: int = 0, characters: int = 700) -> list[str]:
    bodies = pages(count, first=seed, characters=characters)
    with ThreadPoolExecutor(8) as pool:
        numbered = enumerate(bodies, seed)
        return list(pool.map(lambda each: client.upload(each[1], f"{each[0]}.png"), numbered))


def all_ready(client: Caller, inspect: Inspector, documents: list[str]) -> None:
    client.ended(documents)
    inspect.assert_each_ended_once(documents)


def test_a_worker_killed_in_the_middle_of_a_page(
    stack: Stack, client: Caller, inspect: Inspector
) -> None:
    documents = upload(client, 6, seed=100)
    until(inspect.running)
    stack.services["ocr"].kill()
    assert inspect.running(), "the fault interrupted nothing"
    stack.services["ocr"].start()
    all_ready(client, inspect, documents)
    assert inspect.count("SELECT count(*) FROM attempt WHERE outcome = 'lost'")
    assert not inspect.count("SELECT count(*) FROM task WHERE attempt > 0")


def test_a_dispatcher_killed_between_commit_and_publish(
    stack: Stack, client: Caller, inspect: Inspector
) -> None:
    dispatcher = stack.services["dispatcher"]
    with proxied(stack.rabbitmq.port) as proxy:
        dispatcher.terminate()
        dispatcher.settings = stack.environment() | {
            "DOCMILL_RABBITMQ_URL": stack.rabbitmq.url().replace(
                f":{stack.rabbitmq.port}", f":{proxy.port}"
            )
        }
        dispatcher.start()
        dispatcher.wait_ready()
        proxy.hold()
        documents = upload(client, 5, seed=200)
        queued = "SELECT count(*) FROM task WHERE state = 'queued'"
        until(lambda: inspect.count(queued))
        dispatcher.kill()
        proxy.cut()
    assert inspect.count(queued), "the fault interrupted nothing"
    dispatcher.settings = stack.environment()
    dispatcher.start()
    all_ready(client, inspect, documents)


def test_hints_that_are_doubled_late_or_unknown(
    stack: Stack, client: Caller, inspect: Inspector
) -> None:
    documents = upload(client, 4, seed=300)
    rows = inspect.rows("SELECT id, dispatch, pool FROM task")
    hints = [(Pool(row["pool"]), Hint(row["id"], row["dispatch"])) for row in rows] * 5
    hints += [(pool, Hint(10**12, 1)) for pool in Pool]
    hints += [(pool, Hint(hint.task, hint.dispatch + 7)) for pool, hint in hints]
    with pika.BlockingConnection(pika.URLParameters(stack.rabbitmq.url())) as connection:
        channel = connection.channel()
        for pool, hint in hints:
            declare(channel, pool)
            channel.basic_publish("", pool.queue, body(pool, hint))
    all_ready(client, inspect, documents)
    assert inspect.count("SELECT max(n) FROM (SELECT count(*) AS n FROM attempt"
                         " WHERE outcome = 'done' GROUP BY task_id) AS done") == 1  # fmt: skip


def test_rabbitmq_stopped_and_wiped_with_fifty_documents_in_flight(
    stack: Stack, client: Caller, inspect: Inspector
) -> None:
    documents = upload(client, 50, seed=400, characters=300)
    until(inspect.running)
    open_documents = "SELECT count(*) FROM document WHERE state IN ('received', 'processing')"
    assert inspect.count(open_documents) > 20, "the fault interrupted nothing"
    stack.rabbitmq.kill()
    until(lambda: not inspect.running() and not inspect.running("validate"), within=60)
    assert inspect.count(open_documents), "nothing new is claimed without the broker"
    stack.rabbitmq.wipe()
    stack.rabbitmq.start()
    all_ready(client, inspect, documents)


def test_postgresql_restarted_at_once_in_the_middle(
    stack: Stack, client: Caller, inspect: Inspector
) -> None:
    documents = upload(client, 8, seed=500)
    until(inspect.running)
    stack.postgres.stop("immediate")
    stack.postgres.start()
    stack.postgres.wait_ready(60)
    all_ready(client, inspect, documents)


def test_s3_down_for_twenty_seconds(stack: Stack, client: Caller, inspect: Inspector) -> None:
    documents = upload(client, 8, seed=600)
    until(inspect.running)
    stack.s3.kill()
    down = "SELECT count(*) FROM attempt WHERE outcome = 'dependency'"
    before = inspect.count(down)
    until(lambda: inspect.count(down) > before)
    passes_of_the_clock(inspect, seconds=20)
    stack.s3.start()
    stack.s3.wait_ready(60)
    all_ready(client, inspect, documents)
    assert not inspect.count("SELECT count(*) FROM task WHERE attempt > 0")


def test_a_worker_stopped_past_its_lease_and_continued(
    stack: Stack, client: Caller, inspect: Inspector
) -> None:
    documents = upload(client, 6, seed=700, characters=2400)
    until(inspect.running)
    with ExitStack() as asleep:
        stack.services["ocr"].pause()
        asleep.callback(stack.services["ocr"].resume)
        held = "SELECT count(*) FROM task WHERE stage = 'recognise' AND state = 'running'"
        until(lambda: not inspect.count(held), within=60)
    all_ready(client, inspect, documents)
    assert inspect.count("SELECT count(*) FROM attempt WHERE outcome = 'lost'")


def test_a_drain_spends_nothing(stack: Stack, client: Caller, inspect: Inspector) -> None:
    documents = upload(client, 6, seed=800, characters=2400)
    until(inspect.running)
    ocr = stack.services["ocr"]
    ocr.process.send(signal.SIGTERM)
    until(lambda: not ocr.process.running, within=40)
    assert ocr.process.exit_code == 0
    ocr.start()
    all_ready(client, inspect, documents)
    assert not inspect.count(
        "SELECT count(*) FROM task WHERE attempt > 0 OR crashes > 0 OR losses > 1"
    )


def passes_of_the_clock(inspect: Inspector, *, seconds: int) -> None:
    """Wait for a length of an outage, on PostgreSQL's clock; the length is the scenario."""
    began = inspect.rows("SELECT extract(epoch FROM clock_timestamp()) AS at")[0]["at"]
    now = "SELECT extract(epoch FROM clock_timestamp()) AS at"
    until(lambda: inspect.rows(now)[0]["at"] - began >= seconds, within=seconds + 30, every=0.5)
