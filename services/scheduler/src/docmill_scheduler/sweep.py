"""Stored objects nobody needs: given-up uploads, orphans, unfinished multipart uploads."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import islice
from typing import Final, Protocol
from uuid import UUID

from docmill.adapters.postgres.retention import Doomed
from docmill.domain.key import document_prefix
from docmill.ops import metrics
from docmill.ops.logging import logger
from docmill.ports import Blobs, Stored
from docmill_scheduler.deleting import Deleting
from docmill_scheduler.job import Done, Permit

log = logger(__name__)

BATCH: Final = 500
# Only keys of the shape we write are ever ours to delete.
_OURS: Final = re.compile(
    r"[a-z0-9][a-z0-9-]*/(?P<document>[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})/.+"
)


class TooManyOrphans(Exception):
    """More of the bucket seems orphaned than can be true: nothing was deleted."""


class Pending(Protocol):
    """See PostgresRetention."""

    def expire_uploads(self, limit: int) -> int: ...
    def doomed(self, limit: int, *, after: str = "") -> list[Doomed]: ...
    def forget(self, blob: Doomed) -> None: ...


class Marks(Protocol):
    """See PostgresRetention."""

    def unreferenced(self, keys: Mapping[str, UUID]) -> frozenset[str]: ...
    def mark(self, orphans: Mapping[str, int]) -> None: ...
    def ripe(self, keys: Sequence[str], *, wait: timedelta) -> list[str]: ...
    def marked(self, limit: int, *, after: str = "") -> list[str]: ...
    def unmark(self, keys: Sequence[str]) -> None: ...


@dataclass(frozen=True, slots=True)
class SweepUploads:
    """Deletes the objects of uploads given up, refused or broken, and of expired documents.

    The row is flipped to `deleting` by a guarded update before the store is touched, and goes
    after the objects: a crash between the two is resumed.
    """

    rows: Pending
    blobs: Blobs

    def __call__(self, permit: Permit) -> Done:
        """Flip what is past its reservation, then delete all that is; raise NotAllDeleted."""
        given_up = 0
        while flipped := self.rows.expire_uploads(BATCH):
            permit.check()
            given_up += flipped
        deleting = Deleting(self.blobs)
        deleted, after = 0, ""
        while doomed := self.rows.doomed(BATCH, after=after):
            for blob in doomed:
                permit.check()
                deleted += self._delete(blob, deleting)
            after = doomed[-1].key
        deleting.end()
        return Done(deleted, {"given_up": given_up})

    def _delete(self, blob: Doomed, deleting: Deleting) -> bool:
        prefix = document_prefix(blob.tenant, blob.document)
        purged = deleting.done(prefix, partial(self.blobs.purge, prefix))
        if purged:
            self.rows.forget(blob)
        return purged


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepOrphans:
    """Finds objects no row refers to, marks them, and deletes those still so after the wait.

    Raises TooManyOrphans, before anything is deleted, when the share of orphans is not credible:
    then the database is more likely to be the wrong one than the bucket to be full of rubbish.
    """

    marks: Marks
    blobs: Blobs
    wait: timedelta
    limit_percent: float
    floor: int
    dry_run: bool

    def __call__(self, permit: Permit) -> Done:
        """List the bucket once; delete what an earlier sweep marked."""
        orphans, seen = self._find(permit)
        metrics.ORPHANS.set(len(orphans))
        if len(orphans) > max(self.floor, seen * self.limit_percent / 100):
            metrics.ORPHAN_SWEEPS_STOPPED.inc()
            raise TooManyOrphans(f"{len(orphans)} of {seen} objects; deleted nothing")
        for part in _parts(orphans):
            permit.check()
            self.marks.mark({key: orphans[key].size for key in part})
        self._forget_others(orphans, permit)
        deleting = Deleting(self.blobs)
        deleted = sum(self._delete(part, deleting, permit) for part in _parts(orphans))
        deleting.end()
        facts = {"objects": seen, "orphans": len(orphans), "dry_run": self.dry_run}
        return Done(deleted, facts)

    def _find(self, permit: Permit) -> tuple[dict[str, Stored], int]:
        orphans: dict[str, Stored] = {}
        seen = 0
        for part in _batches(self.blobs.list()):
            permit.check()
            seen += len(part)
            by_key = {stored.key: stored for stored in part}
            orphans |= {key: by_key[key] for key in self.marks.unreferenced(_ours(by_key))}
        return orphans, seen

    def _forget_others(self, orphans: Mapping[str, Stored], permit: Permit) -> None:
        after = ""
        while marked := self.marks.marked(BATCH, after=after):
            permit.check()
            after = marked[-1]
            self.marks.unmark([key for key in marked if key not in orphans])

    def _delete(self, keys: Sequence[str], deleting: Deleting, permit: Permit) -> int:
        permit.check()
        ripe = self.marks.ripe(keys, wait=self.wait)
        still = sorted(self.marks.unreferenced(_ours(ripe)))
        if still:
            log.info("orphans_found", objects=len(still), first=still[0], dry_run=self.dry_run)
        if self.dry_run:
            return 0
        gone = [key for key in still if deleting.done(key, partial(self.blobs.delete, [key]))]
        self.marks.unmark(gone)
        return len(gone)


@dataclass(frozen=True, slots=True)
class AbortMultipart:
    """Aborts multipart uploads that were begun too long ago to be alive."""

    blobs: Blobs
    age: timedelta

    def __call__(self, permit: Permit) -> Done:
        """Abort them, or raise NotAllDeleted; so old a one has lost its reservation anyway."""
        deleting = Deleting(self.blobs)
        aborted = 0
        newest = datetime.now(UTC) - self.age
        for upload in list(self.blobs.open_uploads()):
            permit.check()
            if upload.begun_at < newest and _OURS.fullmatch(upload.key):
                aborted += deleting.done(upload.key, partial(self.blobs.abort, upload))
        deleting.end()
        return Done(aborted)


def _ours(keys: Mapping[str, object] | Sequence[str]) -> dict[str, UUID]:
    matched = ((key, _OURS.fullmatch(key)) for key in keys)
    return {key: UUID(match["document"]) for key, match in matched if match}


def _batches(stored: Iterator[Stored]) -> Iterator[list[Stored]]:
    while part := list(islice(stored, BATCH)):
        yield part


def _parts(orphans: Mapping[str, Stored]) -> Iterator[list[str]]:
    keys = sorted(orphans)
    return (keys[start : start + BATCH] for start in range(0, len(keys), BATCH))
