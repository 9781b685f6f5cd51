"""Retention: documents past their time become tombstones."""

from dataclasses import dataclass
from typing import Final, Protocol
from uuid import UUID

from docmill_scheduler.job import Done, Permit

BATCH: Final = 200


class Settled(Protocol):
    """See PostgresRetention."""

    def expired(self, limit: int) -> list[UUID]: ...
    def expire(self, document: UUID) -> bool: ...


@dataclass(frozen=True, slots=True)
class Expire:
    """Makes tombstones; the objects are left to the sweep, which finds them by their blobs."""

    documents: Settled

    def __call__(self, permit: Permit) -> Done:
        """Expire all that is due, one transaction a document."""
        done = 0
        while due := self.documents.expired(BATCH):
            before = done
            for document in due:
                permit.check()
                done += self.documents.expire(document)
            if done == before:
                break  # all were reopened under our eyes, or would come again for ever
        return Done(done)
