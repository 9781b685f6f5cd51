"""A bench with a warm, sandboxed child."""

import itertools
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Final
from uuid import UUID

from docmill.domain.document import Artifact
from docmill.domain.errors import DocmillError, LostClaim, StoreDown
from docmill.domain.key import artifact_key
from docmill.domain.rejection import MissingOriginal
from docmill.domain.task import Claim, Pool, Stage
from docmill.ops import metrics
from docmill.ops.logging import bound, logger
from docmill.ops.metrics import ChildEnd, Step
from docmill.ops.middleware import Unforeseen, attempted
from docmill.ports import BlobMissing, Blobs, Ledger, Product
from docmill.work.adopt import Adopted, adopt
from docmill.work.cache import BlobCache
from docmill.work.failure import (
    ChildCrashed,
    DiskFull,
    Stop,
    Stopped,
    failure,
    known_code,
)
from docmill.work.folder import Access, ChildFolder
from docmill.work.grip import Grip
from docmill.work.process import ChildProcess, ChildSpec, Hello
from docmill.work.spawner import Spawner
from docmill.work.stage import Job, Observe, StageResult, observe_nothing

log = logger(__name__)

_LOOK: Final = 0.1  # seconds between looks whether a transfer is still worth it


@dataclass(frozen=True, slots=True, kw_only=True)
class Shop:
    """What the benches of one worker share."""

    pool: Pool
    root: Path
    access: Access
    spawner: Spawner
    spec: ChildSpec
    alone_memory: int  # bytes, for a task that runs alone
    cache: BlobCache
    blobs: Blobs
    ledger: Ledger
    hands: Executor  # for several transfers at once
    recycle_after: int
    deadline: Callable[[Stage], timedelta]
    limits: Mapping[str, int]
    greet: Callable[[Hello], None]
    observe: Observe = observe_nothing
    numbers: Iterator[int] = field(default_factory=itertools.count)


class ChildBench:
    """Keeps a child warm, and its successor while it does its last job."""

    def __init__(self, shop: Shop) -> None:
        self._shop = shop
        self._child: ChildProcess | None = None
        self._next: ChildProcess | None = self._started()
        self._alone = False  # whether the child has the memory of a task that runs alone

    def prepare(self, check: Callable[[], None], *, alone: bool) -> None:
        """Have a warm child; for a task that runs alone a fresh one, with more memory."""
        if alone or self._alone:
            self._retire(ChildEnd.RECYCLED)
        self._alone = alone
        child = self._child = self._child or self._fresh(alone=alone)
        if child.warm:
            return
        try:
            hello = child.ready(check)
        except DocmillError:
            self._retire(ChildEnd.CRASHED)
            raise
        metrics.CHILD_START_SECONDS.observe(child.age)
        self._shop.greet(hello)

    def work(self, grip: Grip) -> Product:
        """Fetch, run in the child, store; the child is replaced after its share or any doubt."""
        child, claim = self._child, grip.claim
        assert child is not None  # noqa: S101 - `prepare` came first
        jobs = child.jobs + (2 if claim.finishes else 1)
        if jobs >= self._shop.recycle_after and self._next is None:
            self._next = self._started()
        try:
            product = self._made(grip, claim, child)
            return self._finished(grip, child, product) if claim.finishes else product
        finally:
            self._tidied(child, claim)

    def _finished(self, grip: Grip, child: ChildProcess, product: Product) -> Product:
        """Do at once what `assemble` would do next, for the run has no other page.

        Where that fails, however it does, the page is kept and `assemble` gets its task, with all
        tries of its own.
        """
        claim = grip.claim.assembling

        def assembled() -> Product:
            child.folder.clear()  # the page's files are stored, and count no longer
            return self._made(grip, claim, child, product.artifacts)

        with bound(stage=claim.stage):
            done = attempted(assembled)
            match done:
                case Unforeseen(error=LostClaim() | Stopped(why=Stop.LOST)):
                    raise done.error
                case Unforeseen(error=Stopped()):  # we are to leave
                    return product
                case Unforeseen(error=error):
                    code = failure(error).code
                    metrics.TASK_FAILURES.labels(claim.stage, known_code(code)).inc()
                    log.warning("not_assembled_at_once", code=code, exc_info=error)
                    return product
                case _:
                    return replace(product, assembled=done)

    def _made(
        self,
        grip: Grip,
        claim: Claim,
        child: ChildProcess,
        pages: Sequence[Artifact] | None = None,
    ) -> Product:
        """Do the claim's stage; `pages` are what it reads, where they are not committed yet."""
        try:
            with _timed(claim, Step.FETCH), _own_disk():
                job = self._job(claim, child.folder, self._bounded(grip, "fetching"), pages)
            grip.check()
            result = self._ran(grip, claim, child, job)
            with _timed(claim, Step.STORE), _own_disk():
                product = self._stored(claim, result, self._bounded(grip, "storing"))
        except ChildCrashed:
            child.fit, child.crashed = False, True
            raise
        self._shop.observe(claim.stage, result.facts)
        return product

    def _ran(self, grip: Grip, claim: Claim, child: ChildProcess, job: Job) -> StageResult:
        within = self._deadline(grip.claim)  # the page's, which counts while it is assembled, too
        try:
            with _timed(claim, Step.RUN):
                return child.run(job, within=within, check=grip.check)
        finally:
            metrics.CHILD_PEAK_BYTES.labels(self._shop.pool).observe(child.peak)

    def close(self) -> None:
        """End both children."""
        self._retire(ChildEnd.STOPPED)
        if self._next is not None:
            self._next.end()
            self._next = None

    def _fresh(self, *, alone: bool) -> ChildProcess:
        if alone:
            return self._started(memory=self._shop.alone_memory)
        child, self._next = self._next or self._started(), None
        return child

    def _started(self, memory: int | None = None) -> ChildProcess:
        shop = self._shop
        spec = shop.spec if memory is None else replace(shop.spec, memory=memory)
        folder = ChildFolder(shop.root / f"child-{next(shop.numbers)}", shop.access)
        metrics.CHILDREN_STARTED.labels(shop.pool).inc()
        return ChildProcess(shop.spawner, spec, folder)

    def _tidied(self, child: ChildProcess, claim: Claim) -> None:
        """Whatever goes wrong now must not cost the task what it has made."""
        done = attempted(lambda: self._after(child, claim))
        if isinstance(done, Unforeseen):
            log.error("child_not_replaced", error=str(done), exc_info=done.error)
            self._child = None

    def _after(self, child: ChildProcess, claim: Claim) -> None:
        if child.fit and child.jobs < self._shop.recycle_after and not claim.alone:
            child.folder.clear()
            return
        unfit = ChildEnd.CRASHED if child.crashed else ChildEnd.KILLED
        self._retire(ChildEnd.RECYCLED if child.fit else unfit)
        if self._next is None:
            self._next = self._started()

    def _retire(self, why: ChildEnd) -> None:
        child, self._child = self._child, None
        if child is not None:
            child.end()
            metrics.CHILDREN_ENDED.labels(self._shop.pool, why).inc()

    def _deadline(self, claim: Claim) -> timedelta:
        return claim.limit.deadline or self._shop.deadline(claim.stage)

    def _bounded(self, grip: Grip, what: str) -> Callable[[], None]:
        """Return the check of a transfer: it ends with the claim, and has its time."""
        within = self._deadline(grip.claim).total_seconds()
        until = time.monotonic() + within

        def check() -> None:
            grip.check()
            if time.monotonic() > until:
                raise StoreDown(f"{what} took longer than {within:.0f} s")

        return check

    def _job(
        self,
        claim: Claim,
        folder: ChildFolder,
        check: Callable[[], None],
        pages: Sequence[Artifact] | None,
    ) -> Job:
        inputs = folder.fresh_inputs()
        self._give_original(claim, inputs / "original", check)
        return Job(
            stage=claim.stage,
            page=claim.page,
            options=claim.options,
            original=inputs / "original",
            name=claim.name,
            pages=self._pages(claim, pages, inputs, check),
            plan=claim.plan,
            scratch=folder.fresh_scratch(),
            limits={**self._shop.limits, "max_pages": claim.max_pages},
        )

    def _give_original(self, claim: Claim, to: Path, check: Callable[[], None]) -> None:
        if claim.key is None:
            raise MissingOriginal
        try:
            self._shop.cache.give(claim.key, claim.sha256, to, check)
        except BlobMissing as error:
            raise MissingOriginal from error

    def _pages(
        self,
        claim: Claim,
        at_hand: Sequence[Artifact] | None,
        inputs: Path,
        check: Callable[[], None],
    ) -> dict[int, Path]:
        if claim.stage is not Stage.ASSEMBLE:
            return {}
        artifacts = self._shop.ledger.inputs(claim) if at_hand is None else at_hand
        paths = {each.page: inputs / f"page-{each.page}" for each in artifacts}

        def give(artifact: Artifact) -> None:
            self._shop.cache.give(artifact.key, artifact.sha256, paths[artifact.page], check)

        list(self._shop.hands.map(give, artifacts))
        return paths

    def _stored(self, claim: Claim, result: StageResult, check: Callable[[], None]) -> Product:
        # By the token, for a put that is given up may look for its file during another claim.
        kept = self._shop.root / f"kept-{claim.token}"
        kept.mkdir(mode=0o700)
        try:
            adopted = [
                adopt(made, kept / str(number), most=self._shop.spec.file_size)
                for number, made in enumerate(result.made)
            ]
            artifacts = self._put(claim, adopted, check)
        finally:
            shutil.rmtree(kept, ignore_errors=True)
        return Product(artifacts=artifacts, engine=result.engine, facts=result.facts)

    def _put(
        self, claim: Claim, adopted: Sequence[Adopted], check: Callable[[], None]
    ) -> Sequence[Artifact]:
        """Store all at once; when `check` raises, what is under way is left to the store."""
        if claim.document is None:
            raise MissingOriginal
        puts = [
            self._shop.hands.submit(self._put_one, claim, claim.document, each) for each in adopted
        ]
        try:
            while wait(puts, timeout=_LOOK).not_done:
                check()
        finally:
            for put in puts:
                put.cancel()
        return tuple(put.result() for put in puts)

    def _put_one(self, claim: Claim, document: UUID, adopted: Adopted) -> Artifact:
        made = adopted.made
        artifact = Artifact(
            kind=made.kind,
            page=made.page,
            key=artifact_key(
                claim.tenant,
                document,
                run=claim.run,
                stage=claim.stage,
                page=made.page,
                sha256=adopted.sha256,
            ),
            sha256=adopted.sha256,
            size=adopted.size,
            media_type=made.media_type,
        )
        self._shop.blobs.put_file(artifact.key, adopted.path, media_type=made.media_type)
        metrics.ARTIFACT_BYTES.labels(made.kind).inc(adopted.size)
        if claim.stage is Stage.RECOGNISE:  # of this worker `assemble` will want the page
            self._shop.cache.add(artifact.key, adopted.path)
        return artifact


@contextmanager
def _own_disk() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DiskFull(str(error)) from error


@contextmanager
def _timed(claim: Claim, step: Step) -> Iterator[None]:
    began = time.monotonic()
    yield
    metrics.TASK_STEP_SECONDS.labels(claim.stage, step).observe(time.monotonic() - began)
