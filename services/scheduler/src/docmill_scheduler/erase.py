"""Erasure in resumable steps: objects, rows, and later the proof that nothing came back."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Protocol

from docmill.adapters.postgres.retention import Erasure
from docmill.domain.key import document_prefix
from docmill.ops.logging import logger
from docmill.ports import Blobs
from docmill_scheduler.job import Done, Permit

log = logger(__name__)

BATCH: Final = 100


class Erasures(Protocol):
    """See PostgresRetention."""

    def erasable(self, limit: int, *, lease: timedelta) -> list[Erasure]: ...
    def erase(self, erasure: Erasure, *, objects: int, prove_after: timedelta) -> bool: ...
    def provable(self, limit: int) -> list[Erasure]: ...
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

    def __call__(self, permit: Permit) -> Done:
        """Take every document one step on."""
        erased = sum(self._erase(each, permit) for each in self._due())
        proven = sum(self._prove(each, permit) for each in self.documents.provable(BATCH))
        return Done(erased + proven, {"erased": erased, "proven": proven})

    def _due(self) -> list[Erasure]:
        return self.documents.erasable(BATCH, lease=self.lease)

    def _erase(self, erasure: Erasure, permit: Permit) -> bool:
        permit.check()
        objects = self.blobs.purge(document_prefix(erasure.tenant, erasure.document))
        done = self.documents.erase(erasure, objects=objects, prove_after=self.prove_after)
        if done:
            log.info("document_erased", document=erasure.document, tenant=erasure.tenant)
        return done

    def _prove(self, erasure: Erasure, permit: Permit) -> bool:
        permit.check()
        found = self.blobs.purge(document_prefix(erasure.tenant, erasure.document))
        if found:
            log.warning("erasure_leftovers", document=erasure.document, objects=found)
            self.documents.unproven(erasure, found=found, again_after=self.prove_after)
            return False
        self.documents.proven(erasure)
        return True
