"""Deleting many things: one that the store refuses to delete holds up none of the others."""

from collections.abc import Callable
from typing import TypeVar

from docmill.ops.logging import logger
from docmill.ops.middleware import Unforeseen, attempted
from docmill.ports import Blobs

T = TypeVar("T")
log = logger(__name__)


class NotAllDeleted(Exception):
    """The store refused to delete some objects (a lock, a policy); all others are gone."""


class Deleting:
    """What one run deletes, and what it could not."""

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs
        self._refused = 0
        self._first = ""

    def done(self, what: str, delete: Callable[[], object]) -> bool:
        """Delete; False when it was refused. Raise StoreDown when nothing can be deleted now."""
        return not isinstance(self.tried(what, delete), Unforeseen)

    def tried(self, what: str, delete: Callable[[], T]) -> T | Unforeseen:
        """Return what `delete` does, or the refusal. Raise as `done`."""
        done = attempted(delete)
        if not isinstance(done, Unforeseen):
            return done
        self._blobs.ping()
        log.error("delete_refused", what=what, error=str(done), exc_info=done.error)
        self._refused += 1
        self._first = self._first or f"{what}: {done}"
        return done

    def end(self) -> None:
        """Raise NotAllDeleted when something was refused; at the end of the run."""
        if self._refused:
            raise NotAllDeleted(f"{self._refused} refused, first {self._first}")
