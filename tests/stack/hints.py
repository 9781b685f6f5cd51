"""Messages put into the workers' queues without a dispatcher, or as none would publish them."""

import json
from collections.abc import Iterable
from random import Random
from typing import Any, Final, LiteralString

import pika
import psycopg
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import NackError

from deploy.local.stack import Stack
from docmill.adapters.rabbitmq.topology import body, declare, parameters
from docmill.domain.task import Hint, Pool
from docmill.ops.settings import BrokerSettings
from tests.stack.wait import until

TIMES: Final = 5  # how often each hint comes again
SOME: Final[LiteralString] = "SELECT id, dispatch, pool FROM task ORDER BY random() LIMIT 40"
UNKNOWN: Final = 10**12
HUGE: Final = 10**30  # no task's, for it is no bigint

Message = tuple[Pool, bytes]


def published(url: str, messages: Iterable[Message], pools: Iterable[Pool] = Pool) -> None:
    """Put messages into the queues as they are; each is confirmed. The pools' are declared."""
    settings = BrokerSettings(rabbitmq_url=url)
    with pika.BlockingConnection(parameters(settings, name="publisher")) as connection:
        channel = connection.channel()
        for pool in pools:
            declare(channel, pool)
        channel.confirm_delivery()
        for pool, said in messages:
            until(lambda: _taken(channel, pool, said))  # noqa: B023 - called now


def _taken(channel: BlockingChannel, pool: Pool, said: bytes) -> bool:
    """Publish; False when a quorum queue refuses, as it does for a moment when it has no leader."""
    try:
        channel.basic_publish("", pool.queue, said)
    except NackError:
        return False
    return True


def publish(url: str, pool: Pool, *hints: Hint) -> None:
    """Be one pool's dispatcher for a moment."""
    published(url, [(pool, body(pool, hint)) for hint in hints], [pool])


def undecodable(pool: Pool) -> list[Message]:
    """Return what no worker can read, or what no actor of its knows what to do with."""
    hint = json.loads(body(pool, Hint(UNKNOWN, 1)))

    def but(**changes: Any) -> bytes:
        return json.dumps(hint | changes).encode()

    said = [
        b"",
        b"\xff\xfe\x00 no JSON",
        b"[]",
        b'{"queue_name": 1}',
        but(actor_name="of_another_release"),
        but(args=[]),
        but(args=["one", None]),
        but(args=[HUGE, HUGE]),
        but(kwargs={"schema": 2}),
    ]
    return [(pool, each) for each in said]


def repeated(rows: Iterable[tuple[int, int, str]]) -> list[Message]:
    """Return each task's hint several times, and those of dispatches before and after it."""
    hints = [(Pool(pool), Hint(task, dispatch)) for task, dispatch, pool in rows]
    hints += [(pool, Hint(hint.task, hint.dispatch + by)) for pool, hint in hints for by in (-1, 7)]
    hints += [(pool, Hint(UNKNOWN, 1)) for pool in Pool]
    return [(pool, body(pool, hint)) for pool, hint in hints] * TIMES


def scrambled(stack: Stack, draw: Random) -> int:
    """Publish hints of tasks old and new, doubled, and rubbish among them, in any order."""
    with psycopg.connect(stack.database_url) as connection:
        rows = connection.execute(SOME).fetchall()
    messages = repeated(rows) + [each for pool in Pool for each in undecodable(pool)]
    draw.shuffle(messages)
    published(stack.rabbitmq.url(), messages)
    return len(rows)
