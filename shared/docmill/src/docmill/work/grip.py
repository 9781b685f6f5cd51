"""A worker's hold on one claim, shared by the thread that works and the one that supervises."""

import threading
import time

from docmill.domain.task import Claim
from docmill.work.failure import Stop, Stopped


class Grip:
    """Holds while the lease surely does.

    `since` is the monotonic time just before the ledger was asked, so that we never think to hold
    longer than PostgreSQL does; `margin` seconds before the end the work is given up.
    """

    def __init__(self, claim: Claim, *, since: float, margin: float) -> None:
        self.claim = claim
        self._seconds = claim.lease.total_seconds() - margin
        self._until = since + self._seconds
        self._stop: Stop | None = None
        self._stopped = threading.Event()

    def renewed(self, since: float) -> None:
        """Note that the ledger renewed the lease when asked at that time."""
        self._until = since + self._seconds

    def end(self, why: Stop) -> None:
        """Have the work stopped soon; the first reason given stays."""
        self._stop = self._stop or why
        self._stopped.set()

    def check(self) -> None:
        """Raise Stopped when the work must end."""
        if self._stop is None and time.monotonic() >= self._until:
            self.end(Stop.LOST)
        if self._stop is not None:
            raise Stopped(self._stop)

    def holds_for(self, seconds: float) -> bool:
        """Wait so long, or until the work must end; tell whether it still goes on."""
        return not self._stopped.wait(seconds) and time.monotonic() < self._until
