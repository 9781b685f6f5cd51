"""What our broker leans on in dramatiq and RabbitMQ, on a real node."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from urllib.parse import quote, urlsplit

import dramatiq
import httpx
import pika
import pytest
from dramatiq.message import Message

from docmill.adapters.rabbitmq.topology import QUEUE_ARGUMENTS, body, parameters
from docmill.domain.task import Hint, Pool
from docmill.ops.settings import BrokerSettings
from docmill.work import broker
from docmill.work.broker import NotNow
from tests.stack.hints import publish
from tests.stack.wait import until

POOL = Pool.OCR


@contextmanager
def consuming(
    url: str, run: Callable[[Hint], None], *, slots: int = 1, name: str = "test"
) -> Iterator[dramatiq.Worker]:
    publish(url, POOL)  # a queue that two declare at once confirms what it drops
    worker = broker.worker(
        POOL, parameters(BrokerSettings(rabbitmq_url=url), name=name), slots=slots, run=run
    )
    worker.start()
    try:
        yield worker
    finally:
        worker.stop(timeout=5000)


class Node:
    """One vhost through the management API."""

    def __init__(self, url: str, api: httpx.Client) -> None:
        self.url = url
        self._vhost = quote(urlsplit(url).path[1:], safe="")
        self._api = api

    def get(self, path: str) -> list[dict[str, object]]:
        answer = self._api.get(path.format(vhost=self._vhost))
        answer.raise_for_status()
        found: list[dict[str, object]] = answer.json()
        return found

    def queues(self) -> list[str]:
        return sorted(str(queue["name"]) for queue in self.get("/queues/{vhost}"))

    def ready(self) -> int:
        """Messages that wait in the queue, counted by the queue itself."""
        with pika.BlockingConnection(
            parameters(BrokerSettings(rabbitmq_url=self.url), name="count")
        ) as connection:
            declared = connection.channel().queue_declare(POOL.queue, passive=True)
            return int(declared.method.message_count)

    def connections(self) -> list[str]:
        """The workers' connections, as known a few seconds ago."""
        known = self.get("/vhosts/{vhost}/connections")
        return [str(each["name"]) for each in known if each.get("user_provided_name") == "test"]

    def drop_connections(self) -> int:
        """Tell how many there were; the list may still name some that are gone."""
        answers = [
            self._api.delete(f"/connections/{quote(name, safe='')}") for name in self.connections()
        ]
        return sum(answer.status_code == httpx.codes.NO_CONTENT for answer in answers)

    def delete_queue(self) -> None:
        self._api.delete(f"/queues/{self._vhost}/{POOL.queue}").raise_for_status()


@pytest.fixture
def node(rabbitmq_url: str, rabbitmq_api: str) -> Iterator[Node]:
    with httpx.Client(base_url=rabbitmq_api, timeout=10) as api:
        yield Node(rabbitmq_url, api)


def test_a_hint_is_encoded_as_dramatiq_decodes_it() -> None:
    message: Message[None] = Message.decode(body(POOL, Hint(7, 3)))
    assert (message.queue_name, message.actor_name) == (POOL.queue, "run")
    assert message.args == (7, 3)
    assert json.loads(message.encode()).keys() == json.loads(body(POOL, Hint(7, 3))).keys()


def test_rabbitmq_takes_every_argument_of_the_queue(node: Node) -> None:
    publish(node.url, POOL)
    queue = until(lambda: node.get("/queues/{vhost}"))[0]
    assert queue["type"] == "quorum"
    assert queue["arguments"] == dict(QUEUE_ARGUMENTS)


def test_only_the_pools_one_queue_is_declared(node: Node) -> None:
    worker = broker.worker(
        POOL,
        parameters(BrokerSettings(rabbitmq_url=node.url), name="test"),
        slots=1,
        run=lambda _: None,
    )
    worker.start()
    assert until(node.queues) == [POOL.queue]
    worker.stop(timeout=5000)


def test_a_hint_reaches_run_and_is_acknowledged(node: Node) -> None:
    seen: list[Hint] = []
    with consuming(node.url, seen.append):
        publish(node.url, POOL, Hint(1, 1), Hint(2, 5))
        until(lambda: len(seen) == 2)
    assert seen == [Hint(1, 1), Hint(2, 5)]
    until(lambda: node.ready() == 0)  # the node counts a moment later


def test_a_run_that_raises_is_acknowledged_for_the_ledger_knows_better(node: Node) -> None:
    seen: list[Hint] = []

    def fail(hint: Hint) -> None:
        seen.append(hint)
        raise RuntimeError("a bug")

    with consuming(node.url, fail):
        publish(node.url, POOL, Hint(1, 1))
        until(lambda: seen)
    until(lambda: node.ready() == 0)  # the node counts a moment later


def test_a_hint_at_the_wrong_time_goes_to_another_worker(node: Node) -> None:
    refused, taken = threading.Event(), threading.Event()

    def refuse(_: Hint) -> None:
        refused.set()
        raise NotNow

    publish(node.url, POOL, Hint(1, 1))
    with consuming(node.url, refuse):
        assert refused.wait(10)
    with consuming(node.url, lambda _: taken.set()):
        assert taken.wait(10)


def test_a_process_holds_no_more_hints_than_it_has_slots(node: Node) -> None:
    go = threading.Event()
    with consuming(node.url, lambda _: (go.wait(20), None)[1], slots=2) as worker:
        publish(node.url, POOL, *(Hint(task, 1) for task in range(5)))
        until(lambda: node.ready() == 3)
        assert worker.queue_prefetch == 2
        go.set()


def test_a_stale_acknowledgement_removes_no_other_hint(node: Node) -> None:
    """Dramatiq alone acknowledges by number, and the numbers start anew with each connection."""
    runs: list[threading.Event] = []

    def run(_: Hint) -> None:
        runs.append(threading.Event())
        assert runs[-1].wait(30)

    with consuming(node.url, run) as worker:
        publish(node.url, POOL, Hint(1, 1))
        until(lambda: len(runs) == 1)
        until(node.drop_connections)
        publish(node.url, POOL, Hint(2, 1))
        until(lambda: node.ready() == 1, within=40)  # the new connection holds the other one
        runs[0].set()  # done over the old connection
        until(lambda: len(runs) == 2)
        worker.consumers[POOL.queue].stop()  # it does not come back from the next blow
        worker.consumers[POOL.queue].join()
        # Nothing was acknowledged that is still being worked on: it is all there again.
        until(lambda: (node.drop_connections(), node.ready())[1] == 2, within=40, every=0.5)
        runs[1].set()


def test_a_deleted_queue_comes_back_by_itself(node: Node) -> None:
    seen: list[Hint] = []
    with consuming(node.url, seen.append):
        until(node.queues)
        node.delete_queue()
        until(node.queues, within=20)
        publish(node.url, POOL, Hint(1, 1))
        until(lambda: seen, within=20)


def test_an_unknown_message_is_dropped(node: Node) -> None:
    seen: list[Hint] = []
    with consuming(node.url, seen.append):
        with pika.BlockingConnection(
            parameters(BrokerSettings(rabbitmq_url=node.url), name="stranger")
        ) as connection:
            channel = connection.channel()
            channel.basic_publish("", POOL.queue, b"\x00 no JSON")
            stranger = {**json.loads(body(POOL, Hint(9, 9))), "actor_name": "nobody"}
            channel.basic_publish("", POOL.queue, json.dumps(stranger).encode())
        publish(node.url, POOL, Hint(1, 1))
        until(lambda: seen)
    until(lambda: node.ready() == 0)  # the node counts a moment later


def test_connections_carry_the_workers_name(node: Node) -> None:
    def names() -> list[object]:
        connections = node.get("/vhosts/{vhost}/connections")
        return [each.get("user_provided_name") for each in connections]

    with consuming(node.url, lambda hint: None, name="ocr-7"):
        until(lambda: "ocr-7" in names())


def test_a_connection_that_is_silent_or_blocked_is_waited_for_as_the_settings_say() -> None:
    impatient = BrokerSettings(
        rabbitmq_url="amqp://localhost/",
        rabbitmq_heartbeat_seconds=timedelta(seconds=2.5),
        rabbitmq_blocked_seconds=timedelta(seconds=1.5),
    )
    made = parameters(impatient, name="x")
    assert (made.heartbeat, made.blocked_connection_timeout) == (3, 1.5)
