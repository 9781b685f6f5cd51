"""A shop floor: the real dispatcher and ledger, with workers that only take time.

Time on the floor is counted, not waited for, so its figures are the same on any machine: a slot
that takes a page is busy for as long as a page takes, and the dispatcher ticks as often as it does
in earnest, or when a commit woke it. What is decided, and by whom, is PostgreSQL's.
"""

import heapq
import itertools
import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final
from uuid import UUID

from docmill.domain.task import Claim, Failure, Hint, Pool, Stage
from docmill.ports import Beat
from docmill_dispatcher.tick import Grace, Tick
from tests.stack.ledger import Desk, product

SECONDS: Final[Mapping[Stage, float]] = {
    Stage.VALIDATE: 0.1,
    Stage.RECOGNISE: 1.0,
    Stage.ASSEMBLE: 0.2,
    Stage.THUMBNAIL: 0.2,
    Stage.NOTIFY: 0.1,
}
TICK: Final = 0.1
DEBOUNCE: Final = 0.05  # of the bell that wakes the dispatcher
_BEAT: Final = 5.0  # real seconds between signs of life


class Belt:
    """RabbitMQ's part: a queue a pool, and every hint confirmed."""

    ready = True

    def __init__(self, put: Callable[[Pool, Hint], None]) -> None:
        self._put = put

    def publish(self, hints: Sequence[tuple[Pool, Hint]]) -> set[Hint]:
        for pool, hint in hints:
            self._put(pool, hint)
        return {hint for _, hint in hints}


@dataclass
class Floor:
    """So many slots a pool; `pages` tells how many a document has, one where nothing is said."""

    desk: Desk
    slots: Mapping[Pool, int]
    seconds: Mapping[Stage, float] = field(default_factory=lambda: SECONDS)
    pages: dict[UUID, int] = field(default_factory=dict)
    most_out: Counter[Pool] = field(default_factory=Counter)  # at once, of all tenants
    now: float = 0.0
    failure: Failure | None = None  # what every task ends with, while there is one
    started: Counter[int] = field(default_factory=Counter)  # tasks in each second
    began: dict[UUID, float] = field(default_factory=dict)
    ended: dict[UUID, float] = field(default_factory=dict)
    done: Counter[tuple[str, Stage]] = field(default_factory=Counter)
    # how many tasks a tenant had out in a pool, tick by tick
    out: defaultdict[tuple[str, str], list[int]] = field(default_factory=lambda: defaultdict(list))

    def __post_init__(self) -> None:
        self._tick = Tick(self.desk.dispatch, Belt(self._put), Grace(timedelta(0)))
        self._queues: dict[Pool, deque[Hint]] = {pool: deque() for pool in Pool}
        self._free = Counter(self.slots)
        self._ends: list[tuple[float, int, Claim]] = []
        self._numbers = itertools.count()
        self._ticks_at = 0.0
        self._rung = 0.0
        self._beaten = -_BEAT
        mean = {pool: _mean(pool, self.seconds) for pool in Pool}
        for pool, seconds in mean.items():
            self.desk.do(
                "UPDATE pool_clock SET task_seconds = %(s)s WHERE pool = %(p)s",
                {"s": seconds, "p": pool},
            )

    def validated(self) -> None:
        """Have everything validated at once: what is to be shared waits before time begins."""
        while claims := self.desk.claims(Pool.VALIDATOR):
            for claim in claims:
                self._commit(claim)

    def upload(self, tenant: str, *, pages: int = 1, **how: object) -> UUID:
        """Take a document in now."""
        document = self.desk.accept(tenant, **how).document  # type: ignore[arg-type]  # as Desk.accept takes them
        self.pages[document] = pages
        self.began[document] = self.now
        return document

    def run(self, seconds: float, *, until: Callable[[], bool] = lambda: False) -> None:
        """Let so much time pass on the floor, or less when it has come to what is waited for."""
        end = self.now + seconds
        while not until():
            self._keep_alive()
            due = min(self._ticks_at, self._ends[0][0] if self._ends else end, end)
            self.now = max(self.now, due)
            if self._ends and self._ends[0][0] <= self.now:
                self._finish(heapq.heappop(self._ends)[2])
            elif self._ticks_at <= self.now and self.now < end:
                self._ticks_at = self.now + TICK
                self._tick()
                self._watch()
            else:
                return

    def waits(self, documents: Sequence[UUID]) -> list[float]:
        """How long each took from its upload to `ready`."""
        return [self.ended[each] - self.began[each] for each in documents]

    def _put(self, pool: Pool, hint: Hint) -> None:
        self._queues[pool].append(hint)
        self._take(pool)

    def _take(self, pool: Pool) -> None:
        while self._free[pool] and self._queues[pool]:
            hint = self._queues[pool].popleft()
            claim = self.desk.ledger.claim(hint, worker=pool, alone=self.desk.ledger.suspect(hint))
            if claim is not None:
                self._free[pool] -= 1
                self.started[int(self.now)] += 1
                ends = self.now + self.seconds[claim.stage]
                heapq.heappush(self._ends, (ends, next(self._numbers), claim))

    def _finish(self, claim: Claim) -> None:
        if self.failure:
            self.desk.ledger.fail(claim, self.failure)
        else:
            self._commit(claim)
        self.done[claim.tenant, claim.stage] += 1
        if claim.stage is Stage.ASSEMBLE and claim.document and not self.failure:
            self.ended[claim.document] = self.now
        self._rung = max(self.now, self._rung + DEBOUNCE)
        self._ticks_at = min(self._ticks_at, self._rung)
        self._free[claim.stage.pool] += 1
        self._take(claim.stage.pool)

    def _commit(self, claim: Claim) -> None:
        pages = self.pages.get(claim.document, 1) if claim.document else 1
        self.desk.ledger.commit(claim, product(claim, pages=pages))

    def _watch(self) -> None:
        rows = self.desk.do(
            "SELECT tenant_id, pool, count(*) AS n FROM task WHERE state IN ('queued', 'running')"
            " GROUP BY 1, 2"
        )
        for row in rows:
            self.out[row["tenant_id"], row["pool"]].append(row["n"])
        for pool in Pool:
            out = sum(row["n"] for row in rows if row["pool"] == pool)
            self.most_out[pool] = max(self.most_out[pool], out)

    def _keep_alive(self) -> None:
        if time.monotonic() - self._beaten < _BEAT:
            return
        self._beaten = time.monotonic()
        for pool, slots in self.slots.items():
            self.desk.ledger.beat(
                Beat(worker=pool, pool=pool, slots=slots, build="t", languages=[], memory=0)
            )


def _mean(pool: Pool, seconds: Mapping[Stage, float]) -> float:
    return max(seconds[stage] for stage in Stage if stage.pool is pool)
