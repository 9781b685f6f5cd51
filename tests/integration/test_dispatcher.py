"""The dispatcher's loop between a real ledger and a real broker."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import httpx
import pika
import pytest

from docmill.domain.task import Hint, Pool
from docmill_dispatcher.settings import DispatcherSettings
from docmill_dispatcher.tick import Grace
from tests.stack.ledger import Desk, desk
from tests.stack.mill import running
from tests.stack.wait import until


@pytest.fixture
def ledger(database_url: str) -> Iterator[Desk]:
    with desk(database_url) as made:
        yield made


@pytest.fixture
def settings(database_url: str, rabbitmq_url: str) -> DispatcherSettings:
    return DispatcherSettings(
        database_url=database_url,
        rabbitmq_url=rabbitmq_url,
        health_host="127.0.0.1",
        health_port=0,
        tick_seconds=timedelta(milliseconds=50),
        rehint_seconds=timedelta(seconds=1.5),
        sweep_seconds=timedelta(seconds=0.5),
        lease_seconds=timedelta(seconds=1),  # of grace after the server's start
    )


@contextmanager
def consuming(url: str, pool: Pool) -> Iterator[list[Hint]]:
    """Collect the hints that arrive in the pool's queue."""
    hints: list[Hint] = []
    stopped = threading.Event()

    def consume() -> None:
        with pika.BlockingConnection(pika.URLParameters(url)) as connection:
            channel = connection.channel()
            while not stopped.is_set():
                method, _, body = channel.basic_get(pool.queue, auto_ack=True)
                if method is None:
                    connection.process_data_events(time_limit=0.02)
                else:
                    hints.append(Hint(*json.loads(body)["args"]))

    thread = threading.Thread(target=consume)
    thread.start()
    try:
        yield hints
    finally:
        stopped.set()
        thread.join()


def queue_exists(api: str, vhost: str) -> bool:
    return httpx.get(f"{api}/queues/{vhost}/{Pool.NOTIFIER.queue}").status_code == httpx.codes.OK


@pytest.fixture
def dispatching(
    settings: DispatcherSettings, rabbitmq_url: str, rabbitmq_api: str
) -> Iterator[list[Hint]]:
    """A dispatcher at work, and the validator's hints as they arrive."""
    with running(settings):
        until(lambda: queue_exists(rabbitmq_api, rabbitmq_url.rsplit("/", 1)[1]))
        with consuming(rabbitmq_url, Pool.VALIDATOR) as hints:
            yield hints


def first(hints: list[Hint]) -> Hint:
    until(lambda: hints)
    return hints[0]


def test_an_accepted_document_is_hinted(ledger: Desk, dispatching: list[Hint]) -> None:
    accepted = ledger.accept()
    hint = first(dispatching)
    assert hint == Hint(ledger.tasks(accepted.document)[0]["id"], 1)


def test_a_lost_hint_comes_again(ledger: Desk, dispatching: list[Hint]) -> None:
    ledger.accept()
    until(lambda: len(dispatching) >= 2)
    assert dispatching[0] == dispatching[1]


def test_due_work_is_promoted_and_hinted(ledger: Desk, dispatching: list[Hint]) -> None:
    accepted = ledger.accept()
    ledger.do("UPDATE task SET state = 'scheduled', due_at = now() + interval '1 s'")
    ledger.do("UPDATE task SET state = 'scheduled', due_at = now() WHERE state = 'scheduled'")
    until(lambda: ledger.tasks(accepted.document)[0]["state"] == "queued")
    until(lambda: dispatching)


def test_a_vanished_workers_task_is_taken_back_and_hinted(
    ledger: Desk, dispatching: list[Hint]
) -> None:
    ledger.accept()
    hint = first(dispatching)
    until(lambda: ledger.ledger.claim(hint, worker="w", alone=False))
    ledger.do("UPDATE task SET lease_until = now() - interval '1 s' WHERE state = 'running'")
    until(lambda: any(each.dispatch == hint.dispatch + 1 for each in dispatching))


def test_a_held_document_with_an_expired_lease_keeps_nobody_elses_work_waiting(
    ledger: Desk, dispatching: list[Hint]
) -> None:
    document = ledger.accept().document
    hint = first(dispatching)
    until(lambda: ledger.ledger.claim(hint, worker="w", alone=False))
    other = ledger.tenant("other")
    with ledger.held(document):
        ledger.do("UPDATE task SET lease_until = now() - interval '1 s' WHERE state = 'running'")
        task = ledger.tasks(ledger.accept(other).document)[0]["id"]
        until(lambda: Hint(task, 1) in dispatching, within=6)  # the statement time-out is 10 s
    until(lambda: Hint(hint.task, 2) in dispatching)


def test_without_a_broker_nothing_is_queued(ledger: Desk, settings: DispatcherSettings) -> None:
    deaf = settings.model_copy(update={"rabbitmq_url": "amqp://guest:guest@127.0.0.1:1/"})
    accepted = ledger.accept()
    ledger.do("UPDATE task SET state = 'scheduled', due_at = now()")
    with running(deaf):
        until(lambda: ledger.tasks(accepted.document)[0]["state"] == "ready")
        ticks = ledger.do("SELECT 1")
        assert ticks
    assert ledger.tasks(accepted.document)[0]["state"] == "ready"


def test_one_bad_row_stops_nobody_else(ledger: Desk, dispatching: list[Hint]) -> None:
    """As when a newer release's rows meet this one's code."""
    bad, good = ledger.accept(), ledger.accept()
    until(lambda: len(set(dispatching)) == 2)
    claims = [ledger.ledger.claim(hint, worker="w", alone=False) for hint in set(dispatching)]
    assert all(claims)
    # settling the first would break this rule of the table
    ledger.do(
        "ALTER TABLE task ADD CONSTRAINT broken CHECK"
        f" (document_id <> '{bad.document}' OR state = 'running')"
    )
    ledger.do("UPDATE task SET lease_until = now() - interval '1 s' WHERE state = 'running'")
    task = ledger.tasks(good.document)[0]["id"]
    until(lambda: Hint(task, 2) in dispatching)
    assert ledger.tasks(bad.document)[0]["state"] == "running"


def test_a_wait_for_the_broker_keeps_no_lease_from_being_reaped() -> None:
    now = [100.0]
    grace = Grace(timedelta(seconds=45), clock=lambda: now[0])
    now[0] += 7  # five of them for confirms that did not come
    grace.excuse(5)
    assert grace.allows(server_seconds=1000)
    now[0] += 12
    grace.excuse(12)
    assert not grace.allows(server_seconds=1000)


def test_after_an_outage_every_lease_gets_one_length() -> None:
    now = [100.0]
    grace = Grace(timedelta(seconds=45), clock=lambda: now[0])
    assert grace.allows(server_seconds=1000)
    assert not grace.allows(server_seconds=44)
    now[0] += 6  # we were frozen
    assert not grace.allows(server_seconds=1000)
    for _ in range(12):
        now[0] += 4
        allowed = grace.allows(server_seconds=1000)
    assert allowed
