"""Services that die, freeze, leave, come twice or are short of something."""

import resource
import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from random import Random
from typing import Final

import psutil

from deploy.local.service import Service
from tests.stack.faults.fault import Fault, Toll, again_and_again
from tests.stack.faults.flight import (
    WAITING,
    WORKERS,
    awaited,
    caught,
    count,
    running,
)
from tests.stack.routed import Routed

DISPATCHING: Final = (*WORKERS, "dispatcher")
LEADERS: Final = ("dispatcher", "scheduler")
SLICE: Final = 0.2  # seconds of which a slow child runs one tenth
SPARE: Final = 4 * 2**20  # bytes that a worker short of memory may still map


@contextmanager
def worker_killed(stack: Routed, draw: Random) -> Iterator[Toll]:
    """SIGKILL of a worker in the middle of its tasks; a new one comes at once."""
    worker, hit = caught(stack, draw, WORKERS)
    worker.kill()
    worker.start()
    yield Toll("tasks of the worker", hit)


@contextmanager
def service_killed(stack: Routed, draw: Random) -> Iterator[Toll]:
    """SIGKILL of a service, which stays away for a while."""
    service, hit = caught(stack, draw, DISPATCHING)
    service.kill()
    yield Toll("tasks of the service", hit)
    service.start()


@contextmanager
def ingest_killed(stack: Routed, draw: Random) -> Iterator[Toll]:
    """SIGKILL of the front door under uploads."""
    ingest, hit = caught(stack, draw, ["ingest"])
    ingest.kill()
    yield Toll("uploads", hit)
    ingest.start()


@contextmanager
def service_restarted(stack: Routed, draw: Random) -> Iterator[Toll]:
    """A rollout: SIGTERM, a drain, a new process."""
    service, hit = caught(stack, draw, DISPATCHING)
    service.terminate()
    service.start()
    yield Toll("tasks of the service", hit)


@contextmanager
def worker_frozen(stack: Routed, draw: Random) -> Iterator[Toll]:
    """SIGSTOP of a worker, perhaps past its lease: a zombie wakes up later."""
    worker, hit = caught(stack, draw, WORKERS)
    yield Toll("tasks of the worker", hit)
    worker.resume()


@contextmanager
def dispatcher_frozen(stack: Routed, draw: Random) -> Iterator[Toll]:
    """SIGSTOP of the dispatcher."""
    dispatcher, hit = caught(stack, draw, ["dispatcher"])
    yield Toll("tasks to dispatch", hit)
    dispatcher.resume()


@contextmanager
def node_lost(stack: Routed, draw: Random) -> Iterator[Toll]:
    """SIGKILL of every worker and of the dispatcher in the same moment."""
    lost = [stack.services[name] for name in DISPATCHING]
    _, hit = caught(stack, draw, WORKERS)
    for service in lost:
        service.kill()
    yield Toll("tasks of the workers", max(hit, running(stack)))
    for service in lost:
        service.start()


@contextmanager
def node_drained(stack: Routed, draw: Random) -> Iterator[Toll]:
    """SIGTERM of every worker at once, as when their nodes are drained; new ones come later."""
    workers = [stack.services[name] for name in WORKERS]
    _, hit = caught(stack, draw, WORKERS)
    for worker in workers:
        worker.process.send(signal.SIGTERM)
    for worker in workers:
        worker.terminate()
    yield Toll("tasks of the workers", hit)
    for worker in workers:
        worker.start()


@contextmanager
def container_out_of_memory(stack: Routed, draw: Random) -> Iterator[Toll]:
    """SIGKILL of a worker and of its children in one moment, as the kernel does to a cgroup."""
    worker, hit = caught(stack, draw, ["ocr", "validator", "thumbnailer"])
    for process in family(worker.process.pid):
        with suppress(psutil.NoSuchProcess):
            process.kill()
    worker.kill()
    yield Toll("tasks of the worker", hit)
    worker.start()


@contextmanager
def worker_short_of_memory(stack: Routed, draw: Random) -> Iterator[Toll]:
    """The OCR worker itself, not a child of its, may map no more memory."""
    worker, hit = caught(stack, draw, ["ocr"])
    process = psutil.Process(worker.process.pid)
    _, hard = process.rlimit(resource.RLIMIT_AS)
    process.rlimit(resource.RLIMIT_AS, (process.memory_info().vms + SPARE, hard))
    worker.resume()
    yield Toll("tasks of the worker", hit)
    with suppress(psutil.NoSuchProcess):
        process.rlimit(resource.RLIMIT_AS, (hard, hard))


@contextmanager
def ocr_slow(stack: Routed, draw: Random) -> Iterator[Toll]:
    """OCR takes ten times as long: its children run for a tenth of the time."""

    def nap() -> None:
        asleep = family(stack.services["ocr"].process.pid)[1:]
        for child in asleep:
            with suppress(psutil.NoSuchProcess):
                child.suspend()
        threading.Event().wait(SLICE * 0.9)
        for child in asleep:
            resume(child)

    worker, hit = caught(stack, draw, ["ocr"])
    worker.resume()
    with again_and_again(nap, every=SLICE * 0.1):
        yield Toll("tasks of the worker", hit)


@contextmanager
def leader_failover(stack: Routed, draw: Random) -> Iterator[Toll]:
    """Three dispatchers and three schedulers at once, of each kind one is killed and one frozen."""
    others = [another(stack, kind, number) for kind in LEADERS for number in (2, 3)]
    for other in others:
        other.start()
    hit = awaited(lambda: count(stack, WAITING), 0)
    with ExitStack() as asleep:
        for kind, frozen in zip(LEADERS, others[::2], strict=True):
            stack.services[kind].kill()
            frozen.pause()
            asleep.callback(frozen.resume)
        yield Toll("tasks to dispatch", hit)
    for kind in LEADERS:
        stack.services[kind].start()
    for other in others:
        other.terminate()


@contextmanager
def everything_told_to_leave(stack: Routed, draw: Random) -> Iterator[Toll]:
    """SIGTERM to every service at once."""
    _, hit = caught(stack, draw, WORKERS)
    stack.stop_services()
    yield Toll("tasks of the workers", hit)
    stack.start_services()


def another(stack: Routed, kind: str, number: int) -> Service:
    """Return one more service of a kind, with a health port of its own."""
    settings = stack.service_environment()
    return Service(f"{kind}-{number}", stack.root, stack.servers.ports, settings, kind)


def family(pid: int | None) -> list[psutil.Process]:
    """Return a process and its descendants, which may have sessions of their own."""
    try:
        first = psutil.Process(pid)
        return [first, *first.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def resume(process: psutil.Process) -> None:
    with suppress(psutil.NoSuchProcess):
        process.resume()


FAULTS: Final[tuple[Fault, ...]] = (
    worker_killed,
    service_killed,
    ingest_killed,
    service_restarted,
    worker_frozen,
    dispatcher_frozen,
    node_lost,
    node_drained,
    container_out_of_memory,
    worker_short_of_memory,
    ocr_slow,
    leader_failover,
    everything_told_to_leave,
)
