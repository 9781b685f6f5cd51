"""RabbitMQ that dies, forgets, refuses, or delivers what nobody published."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from random import Random
from typing import Any, Final, LiteralString

import httpx
import pika

from deploy.local.server import NotReadyError
from docmill.adapters.rabbitmq.topology import declare
from docmill.domain.task import Pool
from tests.stack.faults.fault import Fault, Toll, again_and_again
from tests.stack.faults.flight import awaited, count, hinted
from tests.stack.hints import scrambled
from tests.stack.routed import Routed

UNHEARD: Final[LiteralString] = """
SELECT count(*) FROM task
 WHERE state = 'queued' AND (hinted_at IS NULL OR queued_at > %(began)s)"""
EVERY: Final = 2.0  # seconds between two closings of every connection


@contextmanager
def broker_restarted(stack: Routed, draw: Random) -> Iterator[Toll]:
    """SIGKILL of RabbitMQ, which stays away for a while."""
    awaited(lambda: hinted(stack), 0)
    stack.rabbitmq.kill()
    yield Toll("hints", hinted(stack))
    stack.rabbitmq.start()


@contextmanager
def broker_wiped(stack: Routed, draw: Random) -> Iterator[Toll]:
    """SIGKILL of RabbitMQ, which comes back without its data."""
    awaited(lambda: hinted(stack), 0)
    stack.rabbitmq.kill()
    hit = hinted(stack)
    stack.rabbitmq.wipe()
    yield Toll("hints", hit)
    stack.rabbitmq.start()


@contextmanager
def queue_emptied(stack: Routed, draw: Random) -> Iterator[Toll]:
    """A queue is purged or deleted with its hints in it."""
    take = draw.choice(["queue_purge", "queue_delete"])
    with pika.BlockingConnection(pika.URLParameters(stack.rabbitmq.url())) as connection:
        channel = connection.channel()

        def emptied() -> int:
            full = [pool.queue for pool in Pool if _hints_in(channel, pool)]
            return getattr(channel, take)(draw.choice(full)).method.message_count if full else 0

        hit = awaited(emptied, 0)
    yield Toll("hints", hit)


def _hints_in(channel: Any, pool: Pool) -> int:
    declare(channel, pool)
    found: int = channel.queue_declare(pool.queue, passive=True).method.message_count
    return found


@contextmanager
def _holding_hints_back(stack: Routed) -> Iterator[Toll]:
    """Count the hints that were to go out since the alarm and lie where they were."""
    toll, began = Toll("hints"), datetime.now(UTC)
    with again_and_again(lambda: toll.most(count(stack, UNHEARD, began=began)), every=0.3):
        yield toll


@contextmanager
def broker_out_of_memory(stack: Routed, draw: Random) -> Iterator[Toll]:
    """A memory alarm blocks every publisher."""
    stack.rabbitmq.control("set_vm_memory_high_watermark", "0.000001")
    with _holding_hints_back(stack) as toll:
        yield toll
    stack.rabbitmq.control("set_vm_memory_high_watermark", "absolute", "512MB")


@contextmanager
def messages_corrupted(stack: Routed, draw: Random) -> Iterator[Toll]:
    """RabbitMQ is killed and its stored messages are turned over; an operator wipes the node."""
    awaited(lambda: hinted(stack), 0)
    stack.rabbitmq.kill()
    hit = hinted(stack)
    for file in sorted(stack.rabbitmq.folder.rglob("*")):
        if file.is_file() and file.suffix in {".wal", ".rdq", ".idx", ".segment"}:
            content = bytearray(file.read_bytes())
            for at in range(len(content) // 2, len(content), 97):
                content[at] ^= 0xFF
            file.write_bytes(content)
    stack.rabbitmq.start()
    yield Toll("hints", hit)
    with suppress(NotReadyError):
        stack.rabbitmq.wait_ready(20)
    stack.rabbitmq.kill()
    stack.rabbitmq.wipe()
    stack.rabbitmq.start()


@contextmanager
def broker_connections_closed(stack: Routed, draw: Random) -> Iterator[Toll]:
    """Every connection to RabbitMQ is closed by the server, every two seconds."""
    toll = Toll("hints")

    def close() -> None:
        toll.add(hinted(stack))
        with httpx.Client(base_url=stack.rabbitmq.api, timeout=10) as api:
            for each in api.get("/connections").raise_for_status().json():
                api.delete(f"/connections/{each['name']}")

    with again_and_again(close, every=EVERY):
        yield toll


@contextmanager
def broker_out_of_disk(stack: Routed, draw: Random) -> Iterator[Toll]:
    """A disk alarm blocks every publisher."""
    stack.rabbitmq.control("set_disk_free_limit", "100000GB")
    with _holding_hints_back(stack) as toll:
        yield toll
    stack.rabbitmq.control("set_disk_free_limit", "200MB")


@contextmanager
def hints_scrambled(stack: Routed, draw: Random) -> Iterator[Toll]:
    """Hints come doubled, in another order, late, of unknown tasks and in no known form."""
    toll = Toll("tasks hinted wrongly")

    def scramble() -> None:
        toll.add(scrambled(stack, draw))

    with again_and_again(scramble, every=1.0):
        yield toll


FAULTS: Final[tuple[Fault, ...]] = (
    broker_restarted,
    broker_wiped,
    broker_connections_closed,
    queue_emptied,
    broker_out_of_memory,
    broker_out_of_disk,
    messages_corrupted,
    hints_scrambled,
)
