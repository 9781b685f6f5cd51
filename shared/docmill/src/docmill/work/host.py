"""Puts a worker process together and keeps it until it is told to leave."""

import os
import shutil
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import dramatiq

from docmill.adapters.postgres.database import Database
from docmill.adapters.postgres.ledger import PostgresLedger
from docmill.adapters.postgres.pool import open_pool
from docmill.adapters.rabbitmq.topology import parameters
from docmill.adapters.s3 import open_blobs
from docmill.domain.errors import DatabaseDown, DependencyDown, StoreDown
from docmill.domain.task import Pool, RetryPolicy, Stage
from docmill.ops import metrics
from docmill.ops.health import HealthServer, Probe, Unwell, serving
from docmill.ops.logging import logger
from docmill.ops.middleware import attempted
from docmill.ops.signals import heard
from docmill.ports import Beat, Blobs, Delivery
from docmill.work import broker, prctl
from docmill.work.bench import Bench, InlineBench
from docmill.work.breaker import Breaker, Dependency
from docmill.work.childbench import ChildBench, Shop
from docmill.work.failure import DiskFull
from docmill.work.folder import Access, workshop
from docmill.work.larder import Larder
from docmill.work.process import ChildPlan, Hello
from docmill.work.runner import Runner
from docmill.work.settings import ChildSettings, WorkerSettings
from docmill.work.spawner import Spawner
from docmill.work.stage import Observe, observe_nothing
from docmill.work.supervisor import Rhythm, Supervisor

log = logger(__name__)

_BREAKER_PAUSE: Final = 1.0  # seconds between probes of what is down
_LATE: Final = timedelta(seconds=10)  # for commits and releases after the drain
_DISK_PROBE: Final = 2**20  # bytes
_HANDS: Final = 8  # transfers at once, besides one a slot
_CONNECTIONS_BESIDE_SLOTS: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Trade:
    """What sets one pool's children apart. `settings` reach the child: no secrets."""

    pool: Pool
    stages: str  # the module that names them
    settings: Mapping[str, str] = field(default_factory=dict)
    readable: Sequence[Path] = ()  # models and the like
    languages: Sequence[str] = ()  # that can be recognised
    may_exec: bool = False
    observe: Observe = observe_nothing


class Identity:
    """What this worker says of itself: in the registry, in `/readyz` and in metrics."""

    def __init__(
        self,
        pool: Pool,
        settings: WorkerSettings,
        *,
        memory: int = 0,
        languages: Sequence[str] = (),
    ) -> None:
        self.worker = f"{pool}-{socket.gethostname()}-{uuid4().hex[:8]}"
        self._pool = pool
        self._slots = settings.slots
        self._memory = memory
        self._languages = tuple(languages)
        self._missing: set[str] = set()
        self._engines: dict[str, str] = {}
        self.down: Callable[[], Sequence[str]] = tuple
        self.facts: dict[str, Any] = {
            "worker": self.worker,
            "slots": settings.slots,
            "sandbox": {"missing": []},
            "languages": list(languages),
        }
        for protection in metrics.PROTECTIONS:
            metrics.SANDBOX_MISSING.labels(protection).set(0)

    def beat(self) -> Beat:
        """Return the sign of life."""
        return Beat(
            worker=self.worker,
            pool=self._pool,
            slots=self._slots,
            build=version("docmill"),
            languages=self._languages,
            memory=self._memory,
            engines=dict(self._engines),
            down=self.down(),
        )

    def greet(self, hello: Hello) -> None:
        """Note what a child told."""
        self._engines.update(hello.engines)
        self.lacks(hello.missing)

    def lacks(self, protections: Sequence[str]) -> None:
        """Note, and log once, what this platform cannot protect."""
        new = set(protections) - self._missing
        if not new:
            return
        self._missing |= new
        self.facts["sandbox"]["missing"] = sorted(self._missing)
        log.warning("sandbox_incomplete", missing=sorted(new))
        for protection in new:
            metrics.SANDBOX_MISSING.labels(protection).set(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """What every worker has, whatever its bench."""

    pool: Pool
    settings: WorkerSettings
    identity: Identity
    database: Database
    ledger: PostgresLedger


def serve_children(trade: Trade, settings: ChildSettings) -> None:
    """Run the pool's stages in sandboxed children until SIGTERM or SIGINT."""
    with ExitStack() as stack:
        identity = Identity(trade.pool, settings, memory=settings.memory, languages=trade.languages)
        frame = _frame(stack, trade.pool, settings, identity)
        blobs = open_blobs(settings, connections=settings.slots + _CONNECTIONS_BESIDE_SLOTS)
        shop = stack.enter_context(_shop(trade, settings, frame, blobs))
        benches = []
        for _ in range(settings.slots):
            benches.append(ChildBench(shop))
            stack.callback(benches[-1].close)
        # So that it tells what it is before any work.
        attempted(lambda: benches[0].prepare(_go_on, alone=False))
        _run(stack, frame, benches, blobs, shop)


def _go_on() -> None:
    """Nobody can tell us to leave yet but by ending us."""


def serve_inline(
    pool: Pool, settings: WorkerSettings, deliver: Callable[[Delivery], Mapping[str, Any]]
) -> None:
    """Run deliveries in this process until SIGTERM or SIGINT."""
    with ExitStack() as stack:
        frame = _frame(stack, pool, settings, Identity(pool, settings))
        benches = [InlineBench(frame.ledger, deliver) for _ in range(settings.slots)]
        _run(stack, frame, benches)


def _frame(stack: ExitStack, pool: Pool, settings: WorkerSettings, identity: Identity) -> Frame:
    _protect(identity)
    connections = stack.enter_context(open_pool(settings, name=f"docmill-{pool}"))
    database = Database(connections)
    stack.callback(database.bell.close)
    return Frame(
        pool=pool,
        settings=settings,
        identity=identity,
        database=database,
        ledger=PostgresLedger(database, lease=settings.lease_seconds, policy=_policy(settings)),
    )


def _policy(settings: WorkerSettings) -> RetryPolicy:
    return RetryPolicy(attempts=settings.retry_attempts, base=settings.retry_base_seconds)


def _protect(identity: Identity) -> None:
    for protection, protect in (
        ("dumpable", prctl.hide_memory),
        ("subreaper", prctl.adopt_orphans),
    ):
        try:
            protect()
        except OSError:
            identity.lacks([protection])


@contextmanager
def _shop(trade: Trade, settings: ChildSettings, frame: Frame, blobs: Blobs) -> Iterator[Shop]:
    access = Access(settings.child_uid if os.geteuid() == 0 else None)
    with ExitStack() as stack:
        root = stack.enter_context(workshop(settings.scratch_folder, access))
        _show_limits(trade.pool, settings, root)
        hands = stack.enter_context(ThreadPoolExecutor(_HANDS, thread_name_prefix="hands"))
        spawner = Spawner()
        stack.callback(spawner.close)
        yield Shop(
            pool=trade.pool,
            root=root,
            access=access,
            spawner=spawner,
            plan=_plan(trade, settings),
            alone_memory=settings.alone_memory,
            larder=Larder(
                root / "larder",
                blobs,
                access,
                size=settings.cache_size,
                age=settings.cache_seconds.total_seconds(),
            ),
            blobs=blobs,
            ledger=frame.ledger,
            hands=hands,
            recycle_after=settings.child_recycle_after,
            deadline=lambda stage: (
                settings.page_deadline_seconds
                if stage is Stage.RECOGNISE
                else settings.task_deadline_seconds
            ),
            limits={"max_pixels": settings.max_pixels},
            greet=frame.identity.greet,
            observe=trade.observe,
        )


def _show_limits(pool: Pool, settings: ChildSettings, root: Path) -> None:
    metrics.CHILD_LIMIT_BYTES.labels(pool).set(settings.memory)
    for state in ("free", "total"):  # asked at each scrape
        metrics.SCRATCH_BYTES.labels(state).set_function(partial(_disk, root, state))


def _disk(folder: Path, state: str) -> float:
    return float(getattr(shutil.disk_usage(folder), state))


def _plan(trade: Trade, settings: ChildSettings) -> ChildPlan:
    return ChildPlan(
        stages=trade.stages,
        settings=trade.settings,
        uid=settings.child_uid,
        readable=trade.readable,
        memory=settings.memory,
        file_size=settings.file_size,
        scratch_size=settings.scratch_size,
        may_exec=trade.may_exec,
    )


def _run(
    stack: ExitStack,
    frame: Frame,
    benches: Sequence[Bench],
    blobs: Blobs | None = None,
    shop: Shop | None = None,
) -> None:
    """Consume hints until told to leave, then drain."""
    supervisor = _supervisor(frame, shop)
    breaker = _breaker(frame, blobs, shop, supervisor)
    frame.identity.down = lambda: breaker.down
    runner = Runner(
        frame.pool,
        frame.identity.worker,
        ledger=frame.ledger,
        benches=benches,
        supervisor=supervisor,
        breaker=breaker,
    )
    settings = frame.settings
    way = parameters(settings, name=frame.identity.worker)
    worker = broker.worker(frame.pool, way, slots=settings.slots, run=runner)
    stop = _stop_when_told(stack, supervisor)
    health = stack.enter_context(serving(_health(frame, supervisor, worker, blobs)))
    supervisor.start()
    stack.callback(supervisor.close)
    worker.start()
    log.info("started", worker=frame.identity.worker, slots=settings.slots, port=health.port)
    stop.wait()
    log.info("draining", holding=supervisor.holding)
    health.drain()
    supervisor.begin_drain(settings.drain_seconds)
    worker.stop(timeout=int((settings.drain_seconds + _LATE).total_seconds() * 1000))
    worker.broker.close()
    log.info("stopped")


def _stop_when_told(stack: ExitStack, supervisor: Supervisor) -> threading.Event:
    """Return what the first signal sets; the second ends running work at once."""
    stop = threading.Event()

    def told() -> None:
        if stop.is_set():
            supervisor.begin_drain(timedelta())
        stop.set()

    stack.enter_context(heard(told))
    return stop


def _supervisor(frame: Frame, shop: Shop | None) -> Supervisor:
    settings = frame.settings
    rhythm = Rhythm(
        watch=settings.watch_seconds.total_seconds(),
        renew=settings.renew_seconds.total_seconds(),
        margin=settings.lease_margin_seconds.total_seconds(),
    )
    beat = frame.identity.beat
    if shop is None:
        return Supervisor(frame.ledger, frame.ledger, rhythm, beat)
    return Supervisor(frame.ledger, frame.ledger, rhythm, beat, shop.larder.forget_old)


def _breaker(
    frame: Frame, blobs: Blobs | None, shop: Shop | None, supervisor: Supervisor
) -> Breaker:
    known: dict[type[DependencyDown], Dependency] = {
        DatabaseDown: Dependency("postgresql", frame.ledger.ping)
    }
    if blobs is not None:
        known[StoreDown] = Dependency("s3", blobs.probe)
    if shop is not None:
        known[DiskFull] = Dependency("disk", lambda: _write(shop.root))
    return Breaker(known, pause=_BREAKER_PAUSE, changed=supervisor.beat_soon)


def _write(folder: Path) -> None:
    """Raise OSError unless the worker can still keep a file there."""
    with tempfile.TemporaryFile(dir=folder) as file:
        file.write(bytes(_DISK_PROBE))
        file.flush()
        os.fsync(file.fileno())


def _health(
    frame: Frame, supervisor: Supervisor, worker: dramatiq.Worker, blobs: Blobs | None
) -> HealthServer:
    metrics.BROKER_CONNECTED.set_function(lambda: _consuming(worker))
    ready = [
        Probe(name="postgresql", ask=frame.database.health),
        Probe(name="rabbitmq", ask=lambda: _ask_consumers(worker), critical=False),
    ]
    if blobs is not None:
        ready.append(Probe(name="s3", ask=blobs.ping, critical=False))
    return HealthServer(
        frame.pool,
        frame.settings.health_host,
        frame.settings.health_port,
        live=[
            supervisor.pulse.probe,
            Probe(name="threads", ask=lambda: _ask_threads(worker, supervisor)),
        ],
        ready=ready,
        facts=frame.identity.facts,
    )


def _ask_threads(worker: dramatiq.Worker, supervisor: Supervisor) -> dict[str, int]:
    threads = [*worker.workers, *worker.consumers.values()]
    dead = [thread.name for thread in threads if not thread.is_alive()]
    if dead or not supervisor.alive:
        raise Unwell("a thread ended", dead=dead, supervisor=supervisor.alive)
    return {"threads": len(threads)}


def _ask_consumers(worker: dramatiq.Worker) -> None:
    if not _consuming(worker):
        raise Unwell("RabbitMQ is not connected")


def _consuming(worker: dramatiq.Worker) -> bool:
    consumers: list[Any] = [thread.consumer for thread in worker.consumers.values()]
    return all(each is not None and each.connection.is_open for each in consumers)


__all__ = ["Trade", "serve_children", "serve_inline"]
