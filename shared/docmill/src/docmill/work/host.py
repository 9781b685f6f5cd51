"""Puts a worker process together and keeps it until it is told to leave."""

import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from importlib.metadata import version
from typing import Any, Final
from uuid import uuid4

import dramatiq

from docmill.adapters.postgres.database import Database
from docmill.adapters.postgres.ledger import PostgresLedger
from docmill.adapters.postgres.pool import open_pool
from docmill.adapters.postgres.schema import await_schema
from docmill.adapters.rabbitmq.topology import parameters
from docmill.domain.errors import DatabaseDown, DependencyDown
from docmill.domain.task import Pool, RetryPolicy
from docmill.ops import metrics
from docmill.ops.health import HealthServer, Probe, Unwell, serving
from docmill.ops.logging import logger
from docmill.ops.signals import heard
from docmill.ports import Beat, Delivery
from docmill.work import broker, heap, prctl
from docmill.work.bench import Bench, InlineBench
from docmill.work.breaker import Breaker, Dependency
from docmill.work.runner import Runner
from docmill.work.settings import WorkerSettings
from docmill.work.supervisor import Rhythm, Supervisor, nothing

log = logger(__name__)

_BREAKER_PAUSE: Final = 1.0  # seconds between probes of what is down
_LATE: Final = timedelta(seconds=10)  # for commits and releases after the drain


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

    def runs(self, engines: Mapping[str, str]) -> None:
        """Note which engines do the work."""
        self._engines.update(engines)

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """What one kind of bench needs besides: dependencies to probe, and a chore."""

    known: Mapping[type[DependencyDown], Dependency] = field(default_factory=dict)
    ready: Sequence[Probe] = ()
    chore: Callable[[], None] = nothing


def serve_inline(
    pool: Pool, settings: WorkerSettings, deliver: Callable[[Delivery], Mapping[str, Any]]
) -> None:
    """Run deliveries in this process until SIGTERM or SIGINT."""
    with ExitStack() as stack:
        frame = open_frame(stack, pool, settings, Identity(pool, settings))
        benches = [InlineBench(frame.ledger, deliver) for _ in range(settings.slots)]
        run(stack, frame, benches)


def open_frame(stack: ExitStack, pool: Pool, settings: WorkerSettings, identity: Identity) -> Frame:
    """Open what every worker has; leaving the stack closes it. Raise DatabaseDown."""
    heap.share()
    _protect(identity)
    await_schema(pool, settings)
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


def run(
    stack: ExitStack, frame: Frame, benches: Sequence[Bench], needs: Needs | None = None
) -> None:
    """Consume hints until told to leave, then drain."""
    needs = needs or Needs()
    supervisor = _supervisor(frame, needs)
    breaker = _breaker(frame, needs, supervisor)
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
    health = stack.enter_context(serving(_health(frame, supervisor, worker, needs)))
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


def _supervisor(frame: Frame, needs: Needs) -> Supervisor:
    settings = frame.settings
    rhythm = Rhythm(
        watch=settings.watch_seconds.total_seconds(),
        renew=settings.renew_seconds.total_seconds(),
        again=settings.renew_seconds.total_seconds() / 10,
        margin=settings.lease_margin_seconds.total_seconds(),
    )
    return Supervisor(frame.ledger, frame.ledger, rhythm, frame.identity.beat, needs.chore)


def _breaker(frame: Frame, needs: Needs, supervisor: Supervisor) -> Breaker:
    postgres = Dependency("postgresql", frame.ledger.ping)
    known: dict[type[DependencyDown], Dependency] = {DatabaseDown: postgres, **needs.known}
    return Breaker(known, pause=_BREAKER_PAUSE, changed=supervisor.beat_soon)


def _health(
    frame: Frame, supervisor: Supervisor, worker: dramatiq.Worker, needs: Needs
) -> HealthServer:
    metrics.BROKER_CONNECTED.set_function(lambda: _consuming(worker))
    return HealthServer(
        frame.pool,
        frame.settings.health_host,
        frame.settings.health_port,
        live=[
            supervisor.pulse.probe,
            Probe(name="threads", ask=lambda: _ask_threads(worker, supervisor)),
        ],
        ready=[
            Probe(name="postgresql", ask=frame.database.health),
            Probe(name="rabbitmq", ask=lambda: _ask_consumers(worker), critical=False),
            *needs.ready,
        ],
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
