"""RabbitMQ that dies, forgets, refuses, or delivers what nobody published."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from random import Random
from typing import Final

import httpx

from deploy.local.server import NotReadyError
from docmill.domain.task import Pool
from tests.stack.faults.fault import Fault, again_and_again
from tests.stack.hints import scrambled
from tests.stack.routed import Routed

EVERY: Final = 2.0  # seconds between two closings of every connection


@contextmanager
def broker_restarted(stack: Routed, draw: Random) -> Iterator[None]:
    """SIGKILL of RabbitMQ, which stays away for a while."""
    stack.rabbitmq.kill()
    yield
    stack.rabbitmq.start()


@contextmanager
def broker_wiped(stack: Routed, draw: Random) -> Iterator[None]:
    """SIGKILL of RabbitMQ, which comes back without its data."""
    stack.rabbitmq.kill()
    stack.rabbitmq.wipe()
    yield
    stack.rabbitmq.start()


@contextmanager
def queue_emptied(stack: Routed, draw: Random) -> Iterator[None]:
    """A queue is purged or deleted with its hints in it."""
    queue = f"/queues/docmill/{draw.choice(list(Pool)).queue}"
    with httpx.Client(base_url=stack.rabbitmq.api, timeout=10) as api:
        api.delete(queue + draw.choice(["", "/contents"]))
    yield


@contextmanager
def broker_out_of_memory(stack: Routed, draw: Random) -> Iterator[None]:
    """A memory alarm blocks every publisher."""
    stack.rabbitmq.control("set_vm_memory_high_watermark", "0.000001")
    yield
    stack.rabbitmq.control("set_vm_memory_high_watermark", "absolute", "512MB")


@contextmanager
def messages_corrupted(stack: Routed, draw: Random) -> Iterator[None]:
    """RabbitMQ is killed and its stored messages are turned over; an operator wipes the node."""
    stack.rabbitmq.kill()
    for file in sorted(stack.rabbitmq.folder.rglob("*")):
        if file.is_file() and file.suffix in {".wal", ".rdq", ".idx", ".segment"}:
            content = bytearray(file.read_bytes())
            for at in range(len(content) // 2, len(content), 97):
                content[at] ^= 0xFF
            file.write_bytes(content)
    stack.rabbitmq.start()
    yield
    with suppress(NotReadyError):
        stack.rabbitmq.wait_ready(20)
    stack.rabbitmq.kill()
    stack.rabbitmq.wipe()
    stack.rabbitmq.start()


@contextmanager
def broker_connections_closed(stack: Routed, draw: Random) -> Iterator[None]:
    """Every connection to RabbitMQ is closed by the server, every two seconds."""

    def close() -> None:
        with httpx.Client(base_url=stack.rabbitmq.api, timeout=10) as api:
            for each in api.get("/connections").raise_for_status().json():
                api.delete(f"/connections/{each['name']}")

    with again_and_again(close, every=EVERY):
        yield


@contextmanager
def broker_out_of_disk(stack: Routed, draw: Random) -> Iterator[None]:
    """A disk alarm blocks every publisher."""
    stack.rabbitmq.control("set_disk_free_limit", "100000GB")
    yield
    stack.rabbitmq.control("set_disk_free_limit", "200MB")


@contextmanager
def hints_scrambled(stack: Routed, draw: Random) -> Iterator[None]:
    """Hints come doubled, in another order, late, of unknown tasks and in no known form."""
    with again_and_again(lambda: scrambled(stack, draw), every=1.0):
        yield


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
