"""A small safe broker for dramatiq's worker: it only consumes, and acknowledges only its own.

Leans on dramatiq 2.2.1's `RabbitmqBroker.consume`, `consumer_class`, `declare_queue` and
`_RabbitmqConsumer`, and on `MessageProxy._exception`; tests/contract/test_broker.py holds them.
"""

import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

import dramatiq
import pika
from dramatiq.brokers.rabbitmq import RabbitmqBroker, _RabbitmqConsumer
from dramatiq.errors import ConnectionClosed
from dramatiq.middleware import Middleware

from docmill.adapters.rabbitmq.topology import ACTOR, declare
from docmill.domain.task import Hint, Pool
from docmill.ops import metrics
from docmill.ops.middleware import attempted

# Threads look this often whether they should stop; a drain waits for it twice.
_IDLE_MILLISECONDS = 200
_CLOSE_SECONDS = 5.0
_DOWN = (pika.exceptions.AMQPError, OSError)


class NotNow(Exception):
    """The hint was not looked at: it goes back to the queue, for another worker."""


class HintConsumer(_RabbitmqConsumer):
    """Acknowledges what it delivered itself, and gives back what came at the wrong time.

    Delivery tags start anew with each connection: dramatiq 2.2.1 acknowledges a message of the old
    connection by its number on the new one, and so removes another, unseen message.
    """

    def __next__(self) -> Any:
        message = super().__next__()  # type: ignore[no-untyped-call]  # dramatiq's
        if message is not None:
            message.consumer = self
        return message

    def ack(self, message: Any) -> None:
        """Acknowledge; RabbitMQ has already requeued what came over another connection."""
        if message.consumer is not self:
            return
        with suppress(ConnectionClosed):  # the same, a moment later
            if isinstance(message._exception, NotNow):  # noqa: SLF001 - dramatiq tells no other way
                self._requeue(message)
            else:
                super().ack(message)  # type: ignore[no-untyped-call]  # dramatiq's

    def nack(self, message: Any) -> None:
        """Drop what no actor knows; the dispatcher sends the hint again."""
        if message.consumer is self:
            with suppress(ConnectionClosed):
                super().nack(message)  # type: ignore[no-untyped-call]  # dramatiq's

    def close(self) -> None:
        """Close the connection; one that does not answer in time is left to itself.

        pika (1.4) waits for a slow node without end, and RabbitMQ requeues what was not
        acknowledged.
        """
        closing = threading.Thread(target=attempted, args=(super().close,), daemon=True)
        closing.start()
        closing.join(_CLOSE_SECONDS)

    def _requeue(self, message: Any) -> None:
        tag = message._tag  # noqa: SLF001 - as above
        self.known_tags.discard(tag)
        with suppress(pika.exceptions.AMQPError):
            self.connection.add_callback_threadsafe(
                partial(self.channel.basic_nack, tag, requeue=True)
            )


class HintBroker(RabbitmqBroker):
    """Declares one pool's queue and no other, and never publishes."""

    def __init__(self, pool: Pool, parameters: pika.URLParameters) -> None:
        super().__init__(middleware=[_Quiet()])
        self.parameters = parameters
        self._pool = pool

    @property
    def consumer_class(self) -> type[HintConsumer]:
        """The consumer with the guards."""
        return HintConsumer

    def declare_queue(self, queue_name: str, *, ensure: bool = False) -> None:
        """Note the queue and have it consumed; dramatiq's own would add .DQ and .XQ."""
        if ensure or queue_name in self.queues:
            return
        self.emit_before("declare_queue", queue_name)
        self.queues.add(queue_name)
        self.emit_after("declare_queue", queue_name)

    def consume(self, queue_name: str, prefetch: int = 1, timeout: int = 5000) -> HintConsumer:
        """Declare the queue, for RabbitMQ may have been wiped, and consume it."""
        try:
            with pika.BlockingConnection(self.parameters) as connection:
                declare(connection.channel(), self._pool)
        except _DOWN as error:
            raise ConnectionClosed(error) from error  # type: ignore[no-untyped-call]  # dramatiq's
        made = HintConsumer(  # type: ignore[no-untyped-call]  # dramatiq's
            self, queue_name, prefetch, timeout
        )
        metrics.BROKER_CONNECTIONS.inc()
        return made


class _Quiet(Middleware):
    """Lets an actor raise NotNow without an error in the log."""

    @property
    def actor_options(self) -> set[str]:
        return {"throws"}


def worker(
    pool: Pool, parameters: pika.URLParameters, *, slots: int, run: Callable[[Hint], None]
) -> dramatiq.Worker:
    """Make the dramatiq worker that calls `run` for each hint, in as many threads as slots.

    `run` returns when the hint is dealt with, and raises NotNow to have it given back.
    """
    broker = HintBroker(pool, parameters)

    def decode(task: int, dispatch: int) -> None:
        run(Hint(task, dispatch))

    dramatiq.actor(  # type: ignore[call-overload]  # its overloads know no options
        decode, broker=broker, queue_name=pool.queue, actor_name=ACTOR, throws=NotNow
    )
    made = dramatiq.Worker(
        broker, queues={pool.queue}, worker_threads=slots, worker_timeout=_IDLE_MILLISECONDS
    )
    # What lies unacknowledged in one process is work that another could have begun.
    made.queue_prefetch = slots
    return made
