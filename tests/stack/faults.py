"""The faults that chaos tests try one by one and a soak draws from.

Each breaks something on entry and mends it on exit; what is left, `Routed.mend` mends.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from random import Random
from typing import Any, Final

import httpx
import psutil
import psycopg

from deploy.local.server import NotReadyError
from deploy.local.service import Service
from docmill.domain.task import Pool
from tests.stack.proxy import Proxy, corrupting, cutting, slow, truncating, unavailable
from tests.stack.routed import Routed

WORKERS: Final = ("ocr", "validator", "thumbnailer", "notifier")
SERVICES: Final = (*WORKERS, "dispatcher", "scheduler")

Fault = Callable[[Routed, Random], AbstractContextManager[Any]]


@contextmanager
def worker_killed(stack: Routed, draw: Random) -> Iterator[None]:
    """SIGKILL of a worker in the middle of its tasks; a new one comes at once."""
    worker = stack.services[draw.choice(WORKERS)]
    worker.kill()
    worker.start()
    yield


@contextmanager
def service_killed(stack: Routed, draw: Random) -> Iterator[None]:
    """SIGKILL of a service, which stays away for a while."""
    service = stack.services[draw.choice(SERVICES)]
    service.kill()
    yield
    service.start()


@contextmanager
def ingest_killed(stack: Routed, draw: Random) -> Iterator[None]:
    """SIGKILL of the front door under uploads."""
    stack.services["ingest"].kill()
    yield
    stack.services["ingest"].start()


@contextmanager
def service_restarted(stack: Routed, draw: Random) -> Iterator[None]:
    """A rollout: SIGTERM, a drain, a new process."""
    service = stack.services[draw.choice(SERVICES)]
    service.terminate()
    service.start()
    yield


@contextmanager
def worker_frozen(stack: Routed, draw: Random) -> Iterator[None]:
    """SIGSTOP of a worker, perhaps past its lease: a zombie wakes up later."""
    worker = stack.services[draw.choice(WORKERS)]
    worker.pause()
    yield
    worker.resume()


@contextmanager
def dispatcher_frozen(stack: Routed, draw: Random) -> Iterator[None]:
    """SIGSTOP of the dispatcher."""
    stack.services["dispatcher"].pause()
    yield
    stack.services["dispatcher"].resume()


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
def broker_connections_closed(stack: Routed, draw: Random) -> Iterator[None]:
    """Every connection to RabbitMQ is closed by the server."""
    with httpx.Client(base_url=stack.rabbitmq.api, timeout=10) as api:
        for each in api.get("/connections").raise_for_status().json():
            api.delete(f"/connections/{each['name']}")
    yield


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
def postgres_restarted(stack: Routed, draw: Random) -> Iterator[None]:
    """PostgreSQL ends at once in the middle of commits, and recovers from its log."""
    stack.postgres.stop("immediate")
    yield
    stack.postgres.start()


@contextmanager
def postgres_frozen(stack: Routed, draw: Random) -> Iterator[None]:
    """PostgreSQL answers nothing while its connections stay up."""
    with ExitStack() as asleep:
        for process in _family(stack.postgres.process.pid):
            process.suspend()
            asleep.callback(_resume, process)
        yield


@contextmanager
def backends_terminated(stack: Routed, draw: Random) -> Iterator[None]:
    """Every session of PostgreSQL is ended by the server."""
    with psycopg.connect(stack.database_url, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
        )
    yield


@contextmanager
def s3_killed(stack: Routed, draw: Random) -> Iterator[None]:
    """SIGKILL of the S3 server, which stays away for a while."""
    stack.s3.kill()
    yield
    stack.s3.start()


@contextmanager
def s3_frozen(stack: Routed, draw: Random) -> Iterator[None]:
    """The S3 server accepts connections and answers nothing."""
    stack.s3.pause()
    yield
    stack.s3.resume()


@contextmanager
def node_lost(stack: Routed, draw: Random) -> Iterator[None]:
    """SIGKILL of every worker and of the dispatcher in the same moment."""
    lost = [stack.services[name] for name in (*WORKERS, "dispatcher")]
    for service in lost:
        service.kill()
    yield
    for service in lost:
        service.start()


@contextmanager
def way_to_broker_black_holed(stack: Routed, draw: Random) -> Iterator[None]:
    """Nothing passes between the services and RabbitMQ, in one or either direction."""
    with _black_hole(stack.routes["rabbitmq"], draw):
        yield


@contextmanager
def way_to_postgres_black_holed(stack: Routed, draw: Random) -> Iterator[None]:
    """Nothing passes between the services and PostgreSQL, in one or either direction."""
    with _black_hole(stack.routes["postgres"], draw):
        yield


@contextmanager
def way_to_s3_black_holed(stack: Routed, draw: Random) -> Iterator[None]:
    """Nothing passes between the services and S3, in one or either direction."""
    with _black_hole(stack.routes["seaweedfs"], draw):
        yield


@contextmanager
def servers_unreachable(stack: Routed, draw: Random) -> Iterator[None]:
    """Every connection to every server breaks and no new one is taken."""
    with ExitStack() as broken:
        for route in stack.routes.values():
            broken.enter_context(route.refusing())
        yield


@contextmanager
def postgres_calls_failing(stack: Routed, draw: Random) -> Iterator[None]:
    """A connection to PostgreSQL breaks at about every tenth thing it says, COMMITs among them."""
    with stack.routes["postgres"].spoiling(cutting(0.1, draw)):
        yield


@contextmanager
def half_of_all_calls_failing(stack: Routed, draw: Random) -> Iterator[None]:
    """Half of what is said to PostgreSQL and to S3 breaks the connection it is said on."""
    with (
        stack.routes["postgres"].spoiling(cutting(0.5, draw)),
        stack.routes["seaweedfs"].spoiling(cutting(0.5, draw)),
    ):
        yield


@contextmanager
def s3_unavailable_at_times(stack: Routed, draw: Random) -> Iterator[None]:
    """S3 answers 503 to three requests of ten."""
    with stack.routes["seaweedfs"].spoiling(unavailable(0.3, draw)):
        yield


@contextmanager
def s3_truncating(stack: Routed, draw: Random) -> Iterator[None]:
    """S3 ends every larger answer in the middle."""
    with stack.routes["seaweedfs"].spoiling(truncating(4096)):
        yield


@contextmanager
def s3_corrupting(stack: Routed, draw: Random) -> Iterator[None]:
    """S3 gives other bytes than were stored."""
    with stack.routes["seaweedfs"].spoiling(corrupting(4096)):
        yield


@contextmanager
def s3_slow(stack: Routed, draw: Random) -> Iterator[None]:
    """S3 takes and gives a few kilobytes a second."""
    with stack.routes["seaweedfs"].spoiling(slow(10_000)):
        yield


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
def tables_locked(stack: Routed, draw: Random) -> Iterator[None]:
    """Somebody holds a lock on the tasks in a transaction that idles."""
    with psycopg.connect(stack.database_url) as connection:
        connection.execute("LOCK TABLE task IN SHARE ROW EXCLUSIVE MODE")
        yield


@contextmanager
def connections_exhausted(stack: Routed, draw: Random) -> Iterator[None]:
    """Somebody takes every connection that PostgreSQL has left; what breaks gets none back."""
    with ExitStack() as taken:
        with suppress(psycopg.OperationalError):
            for _ in range(500):
                taken.enter_context(psycopg.connect(stack.database_url))
        with suppress(psycopg.OperationalError):
            stack.routes["postgres"].cut()
        yield


@contextmanager
def two_more_dispatchers(stack: Routed, draw: Random) -> Iterator[None]:
    """Three dispatchers at once, one of which is killed."""
    others = [_another(stack, number) for number in (2, 3)]
    for other in others:
        other.start()
    stack.services["dispatcher"].kill()
    yield
    stack.services["dispatcher"].start()
    for other in others:
        other.terminate()


@contextmanager
def everything_told_to_leave(stack: Routed, draw: Random) -> Iterator[None]:
    """SIGTERM to every service at once."""
    stack.stop_services()
    yield
    stack.start_services()


@contextmanager
def _black_hole(way: Proxy, draw: Random) -> Iterator[None]:
    requests, answers = draw.choice([(True, True), (True, False), (False, True)])
    with way.holding(requests=requests, answers=answers):
        yield


def _another(stack: Routed, number: int) -> Service:
    """Return one more dispatcher, with a health port of its own."""
    settings = stack.service_environment()
    return Service(f"dispatcher-{number}", stack.root, stack.servers.ports, settings, "dispatcher")


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
        way_to_broker_black_holed,
        way_to_postgres_black_holed,
        way_to_s3_black_holed,
        servers_unreachable,
        postgres_calls_failing,
        half_of_all_calls_failing,
        s3_unavailable_at_times,
        s3_truncating,
        s3_corrupting,
        s3_slow,
        messages_corrupted,
        tables_locked,
        connections_exhausted,
        two_more_dispatchers,
        everything_told_to_leave,
    )
}
