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
from tests.stack.faults.fault import Fault, again_and_again
from tests.stack.routed import Routed

WORKERS: Final = ("ocr", "validator", "thumbnailer", "notifier")
SERVICES: Final = (*WORKERS, "dispatcher", "scheduler")
LEADERS: Final = ("dispatcher", "scheduler")
SLICE: Final = 0.2  # seconds of which a slow child runs one tenth
SPARE: Final = 4 * 2**20  # bytes that a worker short of memory may still map


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
def node_lost(stack: Routed, draw: Random) -> Iterator[None]:
    """SIGKILL of every worker and of the dispatcher in the same moment."""
    lost = [stack.services[name] for name in (*WORKERS, "dispatcher")]
    for service in lost:
        service.kill()
    yield
    for service in lost:
        service.start()


@contextmanager
def node_drained(stack: Routed, draw: Random) -> Iterator[None]:
    """SIGTERM of every worker at once, as when their nodes are drained; new ones come later."""
    workers = [stack.services[name] for name in WORKERS]
    for worker in workers:
        worker.process.send(signal.SIGTERM)
    for worker in workers:
        worker.terminate()
    yield
    for worker in workers:
        worker.start()


@contextmanager
def container_out_of_memory(stack: Routed, draw: Random) -> Iterator[None]:
    """SIGKILL of a worker and of its children in one moment, as the kernel does to a cgroup."""
    worker = stack.services[draw.choice(["ocr", "validator", "thumbnailer"])]
    for process in family(worker.process.pid):
        with suppress(psutil.NoSuchProcess):
            process.kill()
    worker.kill()
    yield
    worker.start()


@contextmanager
def worker_short_of_memory(stack: Routed, draw: Random) -> Iterator[None]:
    """The OCR worker itself, not a child of its, may map no more memory."""
    process = psutil.Process(stack.services["ocr"].process.pid)
    _, hard = process.rlimit(resource.RLIMIT_AS)
    process.rlimit(resource.RLIMIT_AS, (process.memory_info().vms + SPARE, hard))
    yield
    with suppress(psutil.NoSuchProcess):
        process.rlimit(resource.RLIMIT_AS, (hard, hard))


@contextmanager
def ocr_slow(stack: Routed, draw: Random) -> Iterator[None]:
    """OCR takes ten times as long: its children run for a tenth of the time."""

    def nap() -> None:
        asleep = family(stack.services["ocr"].process.pid)[1:]
        for child in asleep:
            with suppress(psutil.NoSuchProcess):
                child.suspend()
        threading.Event().wait(SLICE * 0.9)
        for child in asleep:
            resume(child)

    with again_and_again(nap, every=SLICE * 0.1):
        yield


@contextmanager
def leader_failover(stack: Routed, draw: Random) -> Iterator[None]:
    """Three dispatchers and three schedulers at once, of each kind one is killed and one frozen."""
    others = [another(stack, kind, number) for kind in LEADERS for number in (2, 3)]
    for other in others:
        other.start()
    with ExitStack() as asleep:
        for kind, frozen in zip(LEADERS, others[::2], strict=True):
            stack.services[kind].kill()
            frozen.pause()
            asleep.callback(frozen.resume)
        yield
    for kind in LEADERS:
        stack.services[kind].start()
    for other in others:
        other.terminate()


@contextmanager
def everything_told_to_leave(stack: Routed, draw: Random) -> Iterator[None]:
    """SIGTERM to every service at once."""
    stack.stop_services()
    yield
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
