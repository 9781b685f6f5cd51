"""What the broker leaves alone."""

from types import SimpleNamespace

import pika
from dramatiq.middleware import Middleware

from docmill.domain.task import Pool
from docmill.work.broker import HintBroker, HintConsumer


class Notes(Middleware):
    """Notes which queues dramatiq's worker is told of."""

    def __init__(self) -> None:
        self.queues: list[str] = []

    def after_declare_queue(self, _: object, name: str) -> None:
        self.queues.append(name)


def test_a_queue_is_announced_once() -> None:
    broker, notes = HintBroker(Pool.OCR, pika.URLParameters("amqp://localhost")), Notes()
    broker.add_middleware(notes)
    broker.declare_queue("ocr")
    broker.declare_queue("ocr")
    broker.declare_queue("other", ensure=True)
    assert notes.queues == ["ocr"]


def test_what_another_connection_delivered_is_neither_taken_nor_dropped() -> None:
    consumer = HintConsumer.__new__(HintConsumer)  # without a connection any call to it raises
    message = SimpleNamespace(consumer=None)
    consumer.ack(message)
    consumer.nack(message)
