"""One round of the dispatcher: promote, reap, hint again, pick, publish."""

import time
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from typing import Final

from prometheus_client import Counter

from docmill.adapters.postgres.dispatch import Dispatched, Glance, PostgresDispatch
from docmill.domain.errors import DatabaseBusy, DatabaseDown
from docmill.domain.task import Pool
from docmill.ops import metrics
from docmill.ops.logging import logger
from docmill.ops.middleware import Unforeseen, attempted
from docmill.ports import Publisher

log = logger(__name__)
LATE: Final = timedelta(seconds=5)


class Grace:
    """When the reaper must hold still, so that workers can renew what an outage kept from them.

    After PostgreSQL started, and after our own tick was late by more than 5 s (we or the machine
    were frozen), every lease gets one full length.
    """

    def __init__(self, lease: timedelta, clock: Callable[[], float] = time.monotonic) -> None:
        self._lease = lease.total_seconds()
        self._clock = clock
        self._last = clock()
        self._until = 0.0

    def allows(self, server_seconds: float) -> bool:
        """Tell, once a tick, whether expired leases may be reaped now."""
        now = self._clock()
        if now - self._last > LATE.total_seconds():
            self._until = now + self._lease
        self._last = now
        return now >= self._until and server_seconds > self._lease

    def excuse(self, seconds: float) -> None:
        """Take a wait for the broker, which keeps no worker from renewing, for no lateness.

        At most LATE of it: a longer one is ours, or the machine's.
        """
        self._last += min(seconds, LATE.total_seconds())


class Tick:
    """One round; called again and again by the loop."""

    def __init__(self, ledger: PostgresDispatch, publisher: Publisher, grace: Grace) -> None:
        self._ledger = ledger
        self._publisher = publisher
        self._grace = grace

    def __call__(self) -> None:
        """Do what there is to do. Raise DatabaseDown."""
        glance = self._ledger.glance()
        if glance.due:
            self._ledger.promote()
        if self._grace.allows(glance.server_seconds) and glance.expired:
            self._reap()
        if not self._publisher.ready:
            return  # nothing is queued that could not be hinted
        self._repeat(glance)
        self._pick(glance)

    def _reap(self) -> None:
        for reaped in self._ledger.reap():
            metrics.TASKS_REAPED.labels(reaped.stage.pool).inc()
            log.warning(
                "task_reaped",
                task=reaped.task,
                stage=reaped.stage,
                document=str(reaped.document),
                worker=reaped.worker,
            )

    def _repeat(self, glance: Glance) -> None:
        if not glance.unheard:
            return
        again = self._ledger.rehint()
        for each in again:
            metrics.HINTS_REPEATED.labels(each.pool).inc()
        self._publish(again)

    def _pick(self, glance: Glance) -> None:
        pools = set(glance.backlogged)
        picked = [each for pool in sorted(pools) for each in self._picked(pool)]
        for each in picked:
            metrics.DISPATCH_WAIT_SECONDS.labels(each.pool).observe(each.waited_seconds or 0)
        self._publish(picked)

    def _picked(self, pool: Pool) -> Sequence[Dispatched]:
        """Pick for one pool; what is wrong with it must not stop the others."""
        picked = attempted(
            lambda: self._ledger.pick(pool), but=(DatabaseDown,), even=(DatabaseBusy,)
        )
        if isinstance(picked, Unforeseen):
            log.error("not_picked", pool=pool, exc_info=picked.error)
            return ()
        return picked

    def _publish(self, dispatched: Sequence[Dispatched]) -> None:
        if not dispatched:
            return
        began = time.monotonic()
        confirmed = self._publisher.publish([(each.pool, each.hint) for each in dispatched])
        took = time.monotonic() - began
        self._grace.excuse(took)
        metrics.HINT_PUBLISH_SECONDS.observe(took)
        lost = [each for each in dispatched if each.hint not in confirmed]
        _count(dispatched, metrics.HINTS_PUBLISHED)
        _count((each for each in dispatched if each.hint in confirmed), metrics.HINTS_CONFIRMED)
        if lost:
            _count(lost, metrics.HINTS_RETURNED)
            self._ledger.unhinted([each.hint for each in lost])


def _count(dispatched: Iterable[Dispatched], counter: Counter) -> None:
    for each in dispatched:
        counter.labels(each.pool).inc()
