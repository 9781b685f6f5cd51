"""What dispatcher and workers must agree on: queues, their arguments, messages, connections."""

import json
import math
import ssl
import time
from collections.abc import Mapping
from typing import Any, Final
from uuid import uuid4

import pika

from docmill.domain.task import Hint, Pool
from docmill.ops.settings import BrokerSettings

ACTOR: Final = "run"
# A hint is only a wake-up: after two minutes the dispatcher has long sent it again. No dead-letter
# exchange: there is nothing to keep.
QUEUE_ARGUMENTS: Final[Mapping[str, Any]] = {
    "x-queue-type": "quorum",
    "x-message-ttl": 2 * 60 * 1000,  # ms
    "x-consumer-timeout": 2 * 60 * 60 * 1000,  # ms; a worker may wait for PostgreSQL with a hint
}
_SOCKET: Final = 5  # seconds
_STACK: Final = 10


def declare(channel: Any, pool: Pool) -> None:
    """Declare the pool's queue. Twice is safe; other arguments need another queue name."""
    channel.queue_declare(queue=pool.queue, durable=True, arguments=dict(QUEUE_ARGUMENTS))


def body(pool: Pool, hint: Hint) -> bytes:
    """Encode a hint as the message that dramatiq's workers decode."""
    message = {
        "queue_name": pool.queue,
        "actor_name": ACTOR,
        "args": [hint.task, hint.dispatch],
        "kwargs": {},
        "options": {},
        "message_id": str(uuid4()),
        "message_timestamp": int(time.time() * 1000),
    }
    return json.dumps(message, separators=(",", ":")).encode()


def parameters(settings: BrokerSettings, *, name: str) -> pika.URLParameters:
    """Return how to connect: pika's own defaults would wait for ever on a blocked connection.

    Over amqps:// the server's certificate must be signed by one in `rabbitmq_ca_file`, or by one
    that the machine trusts, and bear the URL's host.
    """
    made = pika.URLParameters(settings.rabbitmq_url)
    if made.ssl_options is not None:  # pika's (1.4) name no host, and then refuse every server
        trusted = ssl.create_default_context(cafile=settings.rabbitmq_ca_file)
        made.ssl_options = pika.SSLOptions(trusted, made.host)
    made.heartbeat = math.ceil(settings.rabbitmq_heartbeat_seconds.total_seconds())
    made.blocked_connection_timeout = settings.rabbitmq_blocked_seconds.total_seconds()
    made.socket_timeout = _SOCKET
    made.stack_timeout = _STACK
    made.client_properties = {"connection_name": name}
    return made
