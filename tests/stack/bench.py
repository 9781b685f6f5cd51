"""A worker without RabbitMQ: real ledger, real store, real children with hostile stages."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID

from docmill.adapters.postgres.connection import Row
from docmill.adapters.s3 import S3Blobs, connect
from docmill.domain.errors import DatabaseDown, StoreDown
from docmill.domain.task import Hint, Pool
from docmill.ops.settings import StoreSettings
from docmill.ports import Beat
from docmill.testing.children import SPEC, Keeper
from docmill.work.breaker import Breaker, Dependency
from docmill.work.cache import BlobCache
from docmill.work.childbench import ChildBench, Shop
from docmill.work.failure import DiskFull
from docmill.work.process import Hello
from docmill.work.runner import Runner
from docmill.work.supervisor import Rhythm, Supervisor
from tests.stack.ledger import Desk, product


class Faulty:
    """Passes every call on, except those that `faults` names: these raise what it says."""

    def __init__(self, real: Any) -> None:
        self._real = real
        self.faults: dict[str, Exception] = {}
        self.times: dict[str, int] = {}  # how often still; for ever where it is not named
        self.instead: dict[str, Any] = {}  # what to call instead

    def __getattr__(self, name: str) -> Any:
        if name in self.instead:
            return self.instead[name]
        if name in self.faults and self._spends(name):
            return self._raising(self.faults[name])
        return getattr(self._real, name)

    def _spends(self, name: str) -> bool:
        if name not in self.times:
            return True
        self.times[name] -= 1
        return self.times[name] >= 0

    @staticmethod
    def _raising(error: Exception) -> Any:
        def fail(*_: object, **__: object) -> None:
            raise error

        return fail


@dataclass
class Workplace:
    """One OCR worker and the ledger it works for."""

    desk: Desk
    ledger: Faulty
    blobs: Faulty
    keeper: Keeper
    supervisor: Supervisor
    runner: Runner
    benches: list[ChildBench]
    threads: ThreadPoolExecutor
    hellos: list[Hello] = field(default_factory=list)

    def accept(self, behaviour: str, *, pages: int = 1, text: bytes = b"hello") -> UUID:
        """Take in a document whose pages will do what the behaviour says."""
        document = self.desk.accept().document
        row = self.desk.document(document)
        key = f"{row['tenant_id']}/{document}/original"
        path = self.keeper.root / "upload"
        path.write_bytes(text)
        self.blobs.put_file(key, path, media_type="text/plain")
        self.desk.do(
            "UPDATE document SET name = %(name)s, sha256 = %(sha)s, size = %(size)s"
            " WHERE id = %(id)s",
            {"name": behaviour, "sha": sha256(text).digest(), "size": len(text), "id": document},
        )
        for claim in self.desk.claims(Pool.VALIDATOR):
            self.desk.ledger.commit(claim, product(claim, pages=pages))
        return document

    def hints(self) -> list[Hint]:
        """Have what is due dispatched to the OCR pool."""
        self.desk.do("UPDATE task SET due_at = now() WHERE state = 'scheduled'")
        self.desk.dispatch.promote()
        return [each.hint for each in self.desk.pick(Pool.OCR)]

    def begin(self, hint: Hint) -> "Future[None]":
        """Run a hint in a thread of the worker."""
        return self.threads.submit(self.runner, hint)

    def turn(self) -> int:
        """Run everything that is due now, one after the other; tell how much it was."""
        hints = self.hints()
        for hint in hints:
            self.runner(hint)
        return len(hints)

    def page(self, document: UUID) -> Row:
        """The task of the document's first page."""
        return next(row for row in self.desk.tasks(document) if row["stage"] == "recognise")

    def running(self, document: UUID) -> bool:
        return bool(self.page(document)["state"] == "running")


@contextmanager
def workplace(
    desk: Desk, store: StoreSettings, keeper: Keeper, *, slots: int = 1, **changes: Any
) -> Iterator[Workplace]:
    """Open a worker; `changes` are fields of its shop."""
    with ExitStack() as stack:
        ledger = Faulty(desk.ledger)
        blobs = Faulty(S3Blobs(connect(store), store.s3_bucket))
        hellos: list[Hello] = []
        hands = stack.enter_context(ThreadPoolExecutor(4))
        shop = _shop(ledger, blobs, keeper, hands, hellos, changes)
        benches = [ChildBench(shop) for _ in range(slots)]
        for bench in benches:
            stack.callback(bench.close)
        rhythm = Rhythm(watch=0.1, renew=0.3, margin=desk.lease.total_seconds() / 4)
        supervisor = Supervisor(ledger, ledger, rhythm, _beat)
        supervisor.start()
        stack.callback(supervisor.close)
        known = {
            # Looked up at each call, for a fault may be set by then.
            DatabaseDown: Dependency("postgresql", lambda: ledger.ping()),  # noqa: PLW0108
            StoreDown: Dependency("s3", lambda: blobs.ping()),  # noqa: PLW0108
            DiskFull: Dependency("disk", lambda: blobs.probe()),  # noqa: PLW0108 - stands in
        }
        runner = Runner(
            Pool.OCR,
            "test",
            ledger=ledger,
            benches=benches,
            supervisor=supervisor,
            breaker=Breaker(known, pause=0.1),
        )
        threads = stack.enter_context(ThreadPoolExecutor(slots))
        yield Workplace(desk, ledger, blobs, keeper, supervisor, runner, benches, threads, hellos)


def _shop(
    ledger: Any,
    blobs: Any,
    keeper: Keeper,
    hands: ThreadPoolExecutor,
    hellos: list[Hello],
    changes: dict[str, Any],
) -> Shop:
    parts: dict[str, Any] = {
        "pool": Pool.OCR,
        "root": keeper.root,
        "access": keeper.access,
        "spawner": keeper.spawner,
        "spec": SPEC,
        "alone_memory": SPEC.memory * 2,
        "cache": BlobCache(keeper.root / "cache", blobs, keeper.access, size=2**20),
        "blobs": blobs,
        "ledger": ledger,
        "hands": hands,
        "recycle_after": 100,
        "deadline": lambda _: timedelta(seconds=20),
        "limits": {"max_pixels": 1},
        "greet": hellos.append,
    }
    return Shop(**{**parts, **changes})


def _beat() -> Beat:
    return Beat(worker="test", pool="ocr", slots=1, build="test", languages=["eng"], memory=0)
