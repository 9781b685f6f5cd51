"""Erasure in resumable steps: objects, rows, and later the proof that nothing came back."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Final, Protocol
from uuid import UUID

from docmill.adapters.postgres.retention import Erasure
from docmill.domain.identifier import FIRST
from docmill.domain.key import document_prefix
from docmill.ops.logging import logger
from docmill.ops.middleware import Unforeseen
from docmill.ports import Blobs
from docmill_scheduler.deleting import Deleting
from docmill_scheduler.job import Done, Permit

log = logger(__name__)

BATCH: Final = 100


class Erasures(Protocol):
    """See PostgresRetention."""

    def erasable(self, limit: int, *, lease: timedelta, after: UUID) -> list[Erasure]: ...
    def erase(self, erasure: Erasure, *, objects: int, prove_after: timedelta) -> bool: ...
    def provable(self, limit: int, *, after: UUID) -> list[Erasure]: ...
    def proven(self, erasure: Erasure) -> None: ...
    def unproven(self, erasure: Erasure, *, found: int, again_after: timedelta) -> None: ...


@dataclass(frozen=True, slots=True)
class Erase:
    """Erases what was asked for and no worker can still write; a crash anywhere is resumed.

    The objects go first: while the row says `erasing`, the prefix is known and will be purged
    again. A worker's last PUT may still land after that, so the prefix is listed once more later.
    """

    documents: Erasures
    blobs: Blobs
    lease: timedelta
    prove_after: timedelta
    batch: int = BATCH

    def __call__(self, permit: Permit) -> Done:
        """Take every document one step on; raise NotAllDeleted after all others are done."""
        deleting = Deleting(self.blobs)
        erased = sum(self._erase(*each) for each in self._purged(self._erasable, deleting, permit))
        proven = sum(self._prove(*each) for each in self._purged(self._provable, deleting, permit))
        deleting.end()
        return Done(erased + proven, {"erased": erased, "proven": proven})

    def _erasable(self, after: UUID) -> list[Erasure]:
        return self.documents.erasable(self.batch, lease=self.lease, after=after)

    def _provable(self, after: UUID) -> list[Erasure]:
        return self.documents.provable(self.batch, after=after)

    def _purged(
        self, due: Callable[[UUID], list[Erasure]], deleting: Deleting, permit: Permit
    ) -> Iterator[tuple[Erasure, int]]:
        """Purge the prefixes of all that is due; give each with the count of its objects."""
        after = FIRST
        while batch := due(after):
            for erasure in batch:
                permit.check()
                prefix = document_prefix(erasure.tenant, erasure.document)
                objects = deleting.tried(prefix, partial(self.blobs.purge, prefix))
                if not isinstance(objects, Unforeseen):
                    yield erasure, objects
            after = batch[-1].document

    def _erase(self, erasure: Erasure, objects: int) -> bool:
        done = self.documents.erase(erasure, objects=objects, prove_after=self.prove_after)
        if done:
            log.info("document_erased", document=erasure.document, tenant=erasure.tenant)
        return done

    def _prove(self, erasure: Erasure, found: int) -> bool:
        if found:
            log.warning("erasure_leftovers", document=erasure.document, objects=found)
            self.documents.unproven(erasure, found=found, again_after=self.prove_after)
            return False
        self.documents.proven(erasure)
        return True
