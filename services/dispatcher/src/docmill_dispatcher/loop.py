"""The dispatcher's loop: ticks at least every interval, at once when work is announced."""

import threading
import time
from datetime import timedelta
from typing import Final

from docmill.adapters.postgres.dispatch import PostgresDispatch
from docmill.domain.errors import DatabaseDown
from docmill.ops import metrics
from docmill.ops.health import Pulse
from docmill.ops.logging import logger
from docmill.ops.middleware import Unforeseen, attempted
from docmill_dispatcher import gauges
from docmill_dispatcher.tick import Tick

log = logger(__name__)
OUTAGE_PAUSE: Final = 1.0


class Loop:
    """Runs until stopped; nothing ends it but `stop`.

    PostgreSQL's absence pauses it. So does what nobody foresaw, but that is no sign of life.
    """

    def __init__(
        self, tick: Tick, ledger: PostgresDispatch, *, interval: timedelta, sweep: timedelta
    ) -> None:
        self._tick = tick
        self._ledger = ledger
        self._interval = interval.total_seconds()
        self._sweep = sweep
        self._swept = 0.0
        self._awake = threading.Event()
        self._stopped = threading.Event()
        self._forgotten = threading.Event()
        self.pulse = Pulse("loop", timedelta(seconds=60))

    def wake(self) -> None:
        """Tick at once. Safe from any thread, as often as one likes."""
        self._awake.set()

    def forget_hints(self) -> None:
        """The broker came back: hint everything that is queued again."""
        self._forgotten.set()
        self.wake()

    def stop(self) -> None:
        """End after the current tick. Safe from any thread."""
        self._stopped.set()
        self._awake.set()

    def run(self) -> None:
        """Tick until stopped."""
        self.pulse.beat()
        while not self._stopped.is_set():
            self._awake.clear()  # before, so that news during the round is looked at next
            match attempted(self._round):
                case Unforeseen(error=DatabaseDown() as error):
                    log.warning("database_down", error=str(error))
                    self.pulse.beat()
                    self._stopped.wait(OUTAGE_PAUSE)
                case Unforeseen(error=error):
                    log.error("tick_failed", exc_info=error)
                    self._stopped.wait(OUTAGE_PAUSE)
                case _:
                    self.pulse.beat()
                    self._awake.wait(self._interval)

    def _round(self) -> None:
        if self._forgotten.is_set():
            self._forgotten.clear()  # before, so that a reconnect meanwhile counts anew
            self._unhint()
        with metrics.DISPATCH_TICK_SECONDS.time():
            self._tick()
        if time.monotonic() - self._swept > self._sweep.total_seconds():
            self._swept = time.monotonic()
            self._look_around()

    def _unhint(self) -> None:
        try:
            self._ledger.unhint_all()
        except DatabaseDown:
            self._forgotten.set()
            raise

    def _look_around(self) -> None:
        missed = self._ledger.sweep()
        if missed:
            log.info("backlog_marked_again", tenants=missed)
        self._ledger.measure(max(self._sweep, timedelta(seconds=10)))
        gauges.show(self._ledger)
