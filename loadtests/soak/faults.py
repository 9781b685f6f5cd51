"""The faults that a soak draws from: each breaks something on entry and mends it on exit."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from random import Random
from typing import Any, Final

import httpx
import psutil
import psycopg

from deploy.local.stack import Stack
from docmill.domain.task import Pool

WORKERS: Final = ("ocr", "validator", "thumbnailer", "notifier")
SERVICES: Final = (*WORKERS, "dispatcher", "scheduler")

Fault = Callable[[Stack, Random], AbstractContextManager[Any]]


@contextmanager
def worker_killed(stack: Stack, draw: Random) -> Iterator[None]:
    """SIGKILL of a worker in the middle of its tasks; a new one comes at once."""
    worker = stack.services[draw.choice(WORKERS)]
    worker.kill()
    worker.start()
    yield


@contextmanager
def service_killed(stack: Stack, draw: Random) -> Iterator[None]:
    """SIGKILL of a service, which stays away for a while."""
    service = stack.services[draw.choice(SERVICES)]
    service.kill()
    yield
    service.start()


@contextmanager
def ingest_killed(stack: Stack, draw: Random) -> Iterator[None]:
    """SIGKILL of the front door under uploads."""
    stack.services["ingest"].kill()
    yield
    stack.services["ingest"].start()


@contextmanager
def service_restarted(stack: Stack, draw: Random) -> Iterator[None]:
    """A rollout: SIGTERM, a drain, a new process."""
    service = stack.services[draw.choice(SERVICES)]
    service.terminate()
    service.start()
    yield


@contextmanager
def worker_frozen(stack: Stack, draw: Random) -> Iterator[None]:
    """SIGSTOP of a worker, perhaps past its lease: a zombie wakes up later."""
    worker = stack.services[draw.choice(WORKERS)]
    worker.pause()
    yield
    worker.resume()


@contextmanager
def dispatcher_frozen(stack: Stack, draw: Random) -> Iterator[None]:
    """SIGSTOP of the dispatcher."""
    stack.services["dispatcher"].pause()
    yield
    stack.services["dispatcher"].resume()


@contextmanager
def broker_restarted(stack: Stack, draw: Random) -> Iterator[None]:
    """SIGKILL of RabbitMQ, which stays away for a while."""
    stack.rabbitmq.kill()
    yield
    stack.rabbitmq.start()


@contextmanager
def broker_wiped(stack: Stack, draw: Random) -> Iterator[None]:
    """SIGKILL of RabbitMQ, which comes back without its data."""
    stack.rabbitmq.kill()
    stack.rabbitmq.wipe()
    yield
    stack.rabbitmq.start()


@contextmanager
def broker_connections_closed(stack: Stack, draw: Random) -> Iterator[None]:
    """Every connection to RabbitMQ is closed by the server."""
    with httpx.Client(base_url=stack.rabbitmq.api, timeout=10) as api:
        for each in api.get("/connections").raise_for_status().json():
            api.delete(f"/connections/{each['name']}")
    yield


@contextmanager
def queue_emptied(stack: Stack, draw: Random) -> Iterator[None]:
    """A queue is purged or deleted with its hints in it."""
    queue = f"/queues/docmill/{draw.choice(list(Pool)).queue}"
    with httpx.Client(base_url=stack.rabbitmq.api, timeout=10) as api:
        api.delete(queue + draw.choice(["", "/contents"]))
    yield


@contextmanager
def broker_out_of_memory(stack: Stack, draw: Random) -> Iterator[None]:
    """A memory alarm blocks every publisher."""
    stack.rabbitmq.control("set_vm_memory_high_watermark", "0.000001")
    yield
    stack.rabbitmq.control("set_vm_memory_high_watermark", "absolute", "512MB")


@contextmanager
def postgres_restarted(stack: Stack, draw: Random) -> Iterator[None]:
    """PostgreSQL ends at once in the middle of commits, and recovers from its log."""
    stack.postgres.stop("immediate")
    yield
    stack.postgres.start()


@contextmanager
def postgres_frozen(stack: Stack, draw: Random) -> Iterator[None]:
    """PostgreSQL answers nothing while its connections stay up."""
    with ExitStack() as asleep:
        for process in _family(stack.postgres.process.pid):
            process.suspend()
            asleep.callback(_resume, process)
        yield


@contextmanager
def backends_terminated(stack: Stack, draw: Random) -> Iterator[None]:
    """Every session of PostgreSQL is ended by the server."""
    with psycopg.connect(stack.database_url, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
        )
    yield


@contextmanager
def s3_killed(stack: Stack, draw: Random) -> Iterator[None]:
    """SIGKILL of the S3 server, which stays away for a while."""
    stack.s3.kill()
    yield
    stack.s3.start()


@contextmanager
def s3_frozen(stack: Stack, draw: Random) -> Iterator[None]:
    """The S3 server accepts connections and answers nothing."""
    stack.s3.pause()
    yield
    stack.s3.resume()


@contextmanager
def node_lost(stack: Stack, draw: Random) -> Iterator[None]:
    """SIGKILL of every worker and of the dispatcher in the same moment."""
    lost = [stack.services[name] for name in (*WORKERS, "dispatcher")]
    for service in lost:
        service.kill()
    yield
    for service in lost:
        service.start()


def _family(pid: int | None) -> list[psutil.Process]:
    """Return a process and its descendants; PostgreSQL's have sessions of their own."""
    first = psutil.Process(pid)
    return [first, *first.children(recursive=True)]


def _resume(process: psutil.Process) -> None:
    with suppress(psutil.NoSuchProcess):
        process.resume()


FAULTS: Final[Mapping[str, Fault]] = {
    fault.__name__: fault
    for fault in (
        worker_killed,
        service_killed,
        ingest_killed,
        service_restarted,
        worker_frozen,
        dispatcher_frozen,
        broker_restarted,
        broker_wiped,
        broker_connections_closed,
        queue_emptied,
        broker_out_of_memory,
        postgres_restarted,
        postgres_frozen,
        backends_terminated,
        s3_killed,
        s3_frozen,
        node_lost,
    )
}
