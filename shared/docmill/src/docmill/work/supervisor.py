"""One thread per worker process that keeps leases, sees cancels, and ends what must end."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from docmill.domain.task import Claim
from docmill.ops.health import Pulse
from docmill.ops.logging import logger
from docmill.ops.middleware import Unforeseen, attempted
from docmill.ports import Beat, Ledger, Workers
from docmill.work.broker import NotNow
from docmill.work.failure import Stop
from docmill.work.grip import Grip

log = logger(__name__)

BEAT: Final = 10.0  # seconds between signs of life
# A turn may wait for a database that hangs: its time-outs add up to less than this.
_STUCK: Final = timedelta(minutes=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rhythm:
    """How often the supervisor looks, in seconds."""

    watch: float = 1.0  # for cancels
    renew: float = 10.0
    again: float = 1.0  # when a renewal failed
    margin: float = 10.0  # before the lease's end the work is given up


def nothing() -> None:
    """There is no chore."""


class Supervisor:
    """Watches over every claim this process holds. `begin_drain` may be called from any thread."""

    def __init__(
        self,
        ledger: Ledger,
        workers: Workers,
        rhythm: Rhythm,
        beat: Callable[[], Beat],
        chore: Callable[[], None] = nothing,
    ) -> None:
        self.pulse = Pulse("supervisor", _STUCK)
        self._ledger = ledger
        self._workers = workers
        self._rhythm = rhythm
        self._beat = beat
        self._chore = chore  # done with every sign of life
        self._grips: dict[int, Grip] = {}
        self._wake = threading.Event()
        self._draining = threading.Event()
        self._drained_by: float | None = None
        self._closed = False
        self._due = {"renew": 0.0, "beat": 0.0}
        self._thread = threading.Thread(target=self._run, name="supervisor", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def close(self) -> None:
        """Stop watching and leave the registry of workers."""
        self._closed = True
        self._wake.set()
        self._thread.join()
        left = attempted(lambda: self._workers.leave(self._beat().worker))
        if isinstance(left, Unforeseen):  # the registry forgets us after 30 s by itself
            log.info("worker_not_unregistered", error=str(left))

    @property
    def alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    @property
    def holding(self) -> int:
        """How many claims are held."""
        return len(self._grips)

    def hold(self, claim: Claim, *, since: float) -> Grip:
        """Keep the claim's lease from now on."""
        grip = Grip(claim, since=since, margin=self._rhythm.margin)
        self._grips[claim.token] = grip
        return grip

    def let_go(self, grip: Grip) -> None:
        """Keep it no longer."""
        self._grips.pop(grip.claim.token, None)

    def begin_drain(self, within: timedelta) -> None:
        """Claim nothing from now on; what is not done within that time is ended."""
        self._drained_by = time.monotonic() + within.total_seconds()
        self._draining.set()
        self._wake.set()

    def beat_soon(self) -> None:
        """Give the next sign of life at once: it has news. Safe from any thread."""
        self._due["beat"] = 0.0
        self._wake.set()

    def check(self, seconds: float = 0) -> None:
        """Wait so long; raise NotNow when draining has begun."""
        if self._draining.wait(seconds) if seconds else self._draining.is_set():
            raise NotNow

    def _run(self) -> None:
        while not self._closed:
            self._turn()
            self.pulse.beat()
            self._wake.wait(self._pause())
            self._wake.clear()

    def _pause(self) -> float:
        if self._drained_by is None:
            return self._rhythm.watch
        return min(self._rhythm.watch, max(0.05, self._drained_by - time.monotonic()))

    def _turn(self) -> None:
        now = time.monotonic()
        if self._drained_by is not None and now >= self._drained_by:
            for grip in tuple(self._grips.values()):
                grip.end(Stop.DRAINED)
        if self._comes_due("beat", now, BEAT):
            self._survived("beat_failed", lambda: self._workers.beat(self._beat()))
            self._survived("chore_failed", self._chore)
        if self._grips:
            renews = self._comes_due("renew", now, self._rhythm.renew)
            watched = self._survived("watch_failed", self._renew if renews else self._look)
            if renews and not watched:
                self._due["renew"] = time.monotonic() + self._rhythm.again

    def _comes_due(self, what: str, now: float, every: float) -> bool:
        if now < self._due[what]:
            return False
        self._due[what] = now + every
        return True

    def _survived(self, event: str, work: Callable[[], None]) -> bool:
        """Go on whatever happens: without renewals every grip ends by itself.

        Tell whether it went well.
        """
        done = attempted(work)
        if isinstance(done, Unforeseen):
            log.warning(event, error=str(done))
            return False
        return True

    def _renew(self) -> None:
        grips = tuple(self._grips.values())
        since = time.monotonic()
        kept = self._ledger.renew([grip.claim for grip in grips])
        for grip in grips:
            if grip.claim.token in kept:
                grip.renewed(since)
            else:
                grip.end(Stop.LOST)

    def _look(self) -> None:
        grips = tuple(self._grips.values())
        kept = self._ledger.live([grip.claim for grip in grips])
        for grip in grips:
            if grip.claim.token not in kept:
                grip.end(Stop.LOST)
