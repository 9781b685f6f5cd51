from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx
import pika
import pytest

from docmill.adapters.rabbitmq.publisher import RabbitPublisher
from docmill.domain.task import Hint, Pool
from docmill.ops.settings import BrokerSettings
from tests.stack.wait import until


@contextmanager
def publishing(url: str, connected: Callable[[], None] = lambda: None) -> Iterator[RabbitPublisher]:
    publisher = RabbitPublisher(BrokerSettings(rabbitmq_url=url))
    publisher.on_connected(connected)
    publisher.start()
    try:
        until(lambda: publisher.ready)
        yield publisher
    finally:
        publisher.close()


@pytest.fixture
def publisher(rabbitmq_url: str) -> Iterator[RabbitPublisher]:
    with publishing(rabbitmq_url) as made:
        yield made


def test_every_hint_is_confirmed_and_arrives(publisher: RabbitPublisher, rabbitmq_url: str) -> None:
    led(publisher, Pool.OCR)
    with pika.BlockingConnection(pika.URLParameters(rabbitmq_url)) as connection:
        channel = connection.channel()
        channel.queue_purge(Pool.OCR.queue)
        hints = [(Pool.OCR, Hint(number, 1)) for number in range(300)]
        assert publisher.publish(hints) == {hint for _, hint in hints}
        arrived = channel.queue_declare(Pool.OCR.queue, passive=True).method.message_count
    assert arrived == 300


def test_a_returned_hint_is_not_confirmed(publisher: RabbitPublisher, rabbitmq_url: str) -> None:
    led(publisher, Pool.VALIDATOR)
    with pika.BlockingConnection(pika.URLParameters(rabbitmq_url)) as connection:
        connection.channel().queue_delete(Pool.OCR.queue)
    kept, lost = Hint(1, 1), Hint(2, 1)
    assert publisher.publish([(Pool.VALIDATOR, kept), (Pool.OCR, lost)]) == {kept}


def test_a_closed_connection_comes_back_and_says_so(rabbitmq_url: str, rabbitmq_api: str) -> None:
    connections: list[bool] = []
    with publishing(rabbitmq_url, lambda: connections.append(True)) as publisher:
        close_connections(rabbitmq_api, rabbitmq_url.rsplit("/", 1)[1])
        until(lambda: len(connections) == 2)
        led(publisher, Pool.OCR)
        assert publisher.publish([(Pool.OCR, Hint(1, 1))]) == {Hint(1, 1)}


def test_without_a_broker_nothing_is_confirmed() -> None:
    publisher = RabbitPublisher(BrokerSettings(rabbitmq_url="amqp://guest:guest@127.0.0.1:1/"))
    publisher.start()
    assert publisher.publish([(Pool.OCR, Hint(1, 1))]) == set()
    assert not publisher.ready
    publisher.close()


def led(publisher: RabbitPublisher, pool: Pool) -> None:
    """Return when the pool's queue took a hint: a quorum queue refuses until it has a leader."""
    until(lambda: publisher.publish([(pool, Hint(0, 1))]))


def close_connections(api: str, vhost: str) -> None:
    with httpx.Client(base_url=api) as client:

        def ours() -> list[str]:
            found = client.get("/connections").raise_for_status().json()
            return [each["name"] for each in found if each.get("vhost") == vhost]

        until(lambda: bool(ours()))
        for name in ours():
            client.delete(f"/connections/{name}")
