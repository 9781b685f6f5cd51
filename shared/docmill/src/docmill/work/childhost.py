"""The host of workers whose stages run in sandboxed children: all but the notifier."""

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

from docmill.adapters.s3 import open_blobs
from docmill.domain.errors import StoreDown
from docmill.domain.task import Pool, Stage
from docmill.ops import metrics
from docmill.ops.health import Probe
from docmill.ops.middleware import attempted
from docmill.ports import Blobs, go_on
from docmill.work.breaker import Dependency
from docmill.work.cache import BlobCache
from docmill.work.childbench import ChildBench, Shop
from docmill.work.failure import DiskFull
from docmill.work.folder import Access, workshop
from docmill.work.host import Frame, Identity, Needs, open_frame, run
from docmill.work.process import ChildSpec, Hello
from docmill.work.settings import ChildSettings
from docmill.work.spawner import Spawner
from docmill.work.stage import Observe, observe_nothing

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


def serve_children(trade: Trade, settings: ChildSettings) -> None:
    """Run the pool's stages in sandboxed children until SIGTERM or SIGINT."""
    with ExitStack() as stack:
        identity = Identity(trade.pool, settings, memory=settings.memory, languages=trade.languages)
        frame = open_frame(stack, trade.pool, settings, identity)
        blobs = open_blobs(settings, connections=settings.slots + _CONNECTIONS_BESIDE_SLOTS)
        shop = stack.enter_context(_shop(trade, settings, frame, blobs))
        benches = []
        for _ in range(settings.slots):
            benches.append(ChildBench(shop))
            stack.callback(benches[-1].close)
        # So that it tells what it is before any work.
        attempted(lambda: benches[0].prepare(go_on, alone=False))
        run(stack, frame, benches, _needs(shop))


def _needs(shop: Shop) -> Needs:
    return Needs(
        known={
            StoreDown: Dependency("s3", shop.blobs.probe),
            DiskFull: Dependency("disk", lambda: _write(shop.root)),
        },
        ready=[Probe(name="s3", ask=shop.blobs.ping, critical=False)],
        chore=shop.cache.forget_old,
    )


def _greet(identity: Identity, hello: Hello) -> None:
    """Note what a child told."""
    identity.runs(hello.engines)
    identity.lacks(hello.missing)


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
            spec=_spec(trade, settings),
            alone_memory=settings.alone_memory,
            cache=BlobCache(
                root / "cache",
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
            greet=lambda hello: _greet(frame.identity, hello),
            observe=trade.observe,
        )


def _show_limits(pool: Pool, settings: ChildSettings, root: Path) -> None:
    metrics.CHILD_LIMIT_BYTES.labels(pool).set(settings.memory)
    for state in ("free", "total"):  # asked at each scrape
        metrics.SCRATCH_BYTES.labels(state).set_function(partial(_disk, root, state))


def _disk(folder: Path, state: str) -> float:
    return float(getattr(shutil.disk_usage(folder), state))


def _spec(trade: Trade, settings: ChildSettings) -> ChildSpec:
    return ChildSpec(
        stages=trade.stages,
        settings=trade.settings,
        uid=settings.child_uid,
        readable=trade.readable,
        memory=settings.memory,
        file_size=settings.file_size,
        scratch_size=settings.scratch_size,
        may_exec=trade.may_exec,
    )


def _write(folder: Path) -> None:
    """Raise OSError unless the worker can still keep a file there."""
    with tempfile.TemporaryFile(dir=folder) as file:
        file.write(bytes(_DISK_PROBE))
        file.flush()
        os.fsync(file.fileno())
