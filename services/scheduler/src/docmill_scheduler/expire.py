"""Retention: documents past their time become tombstones."""

from dataclasses import dataclass
from typing import Final, Protocol
from uuid import UUID

from docmill_scheduler.ending import end_all
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
        """Expire all that is due; raise NotAllEnded after all others are done."""
        return Done(end_all(lambda: self.documents.expired(BATCH), self.documents.expire, permit))
