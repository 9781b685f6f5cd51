"""Kills at the worst moment: between one effect and the record of it."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from random import Random
from typing import Final, LiteralString

from tests.stack.faults.fault import Fault, Toll
from tests.stack.faults.flight import awaited, count, running
from tests.stack.proxy import Chunk, Proxy, noticing, proxied
from tests.stack.routed import Routed
from tests.stack.setting import with_settings

UNPUBLISHED: Final[LiteralString] = (
    "SELECT count(*) FROM task WHERE state = 'queued' AND queued_at > %(began)s"
)


def stored(chunk: Chunk) -> bool:
    """Whether S3 says that it has taken an object."""
    head = chunk.data.lower()
    return (
        not chunk.from_client
        and head.startswith(b"http/1.1 200")
        and b"etag:" in head
        and b"content-length: 0" in head
    )


@contextmanager
def store_by_proxy(stack: Routed) -> Iterator[Proxy]:
    """Have the OCR worker reach S3 by a way of its own."""
    with proxied(stack.s3.port) as way:
        endpoint = stack.s3.endpoint.replace(str(stack.s3.port), str(way.port))
        with with_settings(stack.services["ocr"], {"DOCMILL_S3_ENDPOINT": endpoint}):
            yield way


@contextmanager
def killed_between_store_and_commit(stack: Routed, draw: Random) -> Iterator[Toll]:
    """SIGKILL of the OCR worker once S3 has its page and before PostgreSQL is told."""
    toll = Toll("tasks of the worker")

    def strike() -> None:
        stack.services["ocr"].kill()
        toll.add(running(stack, "ocr"))

    with store_by_proxy(stack) as way, way.spoiling(noticing(stored, strike)):
        yield toll


@contextmanager
def dispatcher_killed_before_publish(stack: Routed, draw: Random) -> Iterator[Toll]:
    """SIGKILL of the dispatcher between the commit of its pick and the publishing of its hints."""
    dispatcher, port = stack.services["dispatcher"], stack.rabbitmq.port
    with proxied(port) as way:
        url = stack.rabbitmq.url().replace(f":{port}", f":{way.port}")
        with with_settings(dispatcher, {"DOCMILL_RABBITMQ_URL": url}):
            way.hold()
            began = datetime.now(UTC)
            hit = awaited(lambda: count(stack, UNPUBLISHED, began=began), 0)
            dispatcher.kill()
            way.cut()
            yield Toll("tasks without a hint", hit)


FAULTS: Final[tuple[Fault, ...]] = (
    killed_between_store_and_commit,
    dispatcher_killed_before_publish,
)
