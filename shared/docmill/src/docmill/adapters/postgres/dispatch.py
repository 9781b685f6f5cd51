"""The dispatcher's side of the ledger: promote, reap, hint again, and the fair pick.

Any number of dispatchers may run these at once.
"""

from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from docmill.adapters.postgres.batches import announce
from docmill.adapters.postgres.connection import Connection, Row, impatient
from docmill.adapters.postgres.database import Database
from docmill.adapters.postgres.ending import end_attempt
from docmill.adapters.postgres.queries import load
from docmill.adapters.postgres.settle import Locked, locked
from docmill.domain.errors import DatabaseBusy, DatabaseDown
from docmill.domain.fairness import Candidate, Line, Picked, pick, window
from docmill.domain.retrying import Next, Spent, lost
from docmill.domain.task import Failure, Hint, Outcome, Pool, RetryPolicy, Stage, TaskState
from docmill.ops.logging import logger
from docmill.ops.middleware import Unforeseen, attempted

log = logger(__name__)
SQL: Final = load("dispatch")
LOCK_SPACE: Final = 0x706F6F6C  # "pool"
SEEN: Final = timedelta(seconds=30)
HINT_CAP: Final = timedelta(minutes=5)
IDLE_SHARE: Final = 5  # a pool with an idle slot is hinted again this many times sooner
CRITICAL_SHARE: Final = 0.2
# A pick waits for other pools' picks that hold the same buckets, for nobody else.
PICK_PATIENCE: Final = timedelta(seconds=1)
# The whole of one reaping is to stay well below the lateness of a tick that counts as an outage.
REAP_PATIENCE: Final = timedelta(milliseconds=25)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispatched:
    """A hint and the queue it goes to."""

    pool: Pool
    hint: Hint
    # since it was ready; None for a hint sent again
    waited_seconds: float | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Glance:
    """Which steps of a tick have anything to do."""

    due: bool
    expired: bool
    unheard: bool  # a hint may be due again
    backlogged: frozenset[Pool]
    server_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Reaped:
    """A running task whose lease ran out."""

    task: int
    token: int
    tenant: str
    document: UUID | None
    stage: Stage
    page: int
    run: int
    worker: str


class PostgresDispatch:
    """See the module; each method is one short transaction (`reap`: one per task)."""

    def __init__(
        self,
        database: Database,
        *,
        tick: timedelta,
        rehint: timedelta = timedelta(seconds=15),
        policy: RetryPolicy | None = None,
    ) -> None:
        self._database = database
        self._tick = tick
        self._rehint = rehint
        self._policy = policy or RetryPolicy()

    def glance(self) -> Glance:
        """Look once for work; the other steps need not run where there is none."""
        idle_wait = self._rehint / IDLE_SHARE
        row = self._rows("glance", idle_wait=idle_wait, pools=list(Pool))[0]
        return Glance(
            due=row["due"],
            expired=row["expired"],
            unheard=row["unheard"],
            backlogged=_known(row["backlogged"]),
            server_seconds=row["server_seconds"],
        )

    def promote(self) -> None:
        """Make due tasks ready."""
        self._database.once(lambda c: c.execute(SQL["promote"]))

    def sweep(self) -> int:
        """Put tenants with ready work back in line; return how many a race had missed."""
        return self._database.once(lambda c: c.execute(SQL["sweep_backlog"]).rowcount)

    def measure(self, over: timedelta) -> None:
        """Learn each pool's mean task time from what ended lately."""
        self._database.once(lambda c: c.execute(SQL["measure"], {"window": over}))

    def depth(self) -> Sequence[Row]:
        """Count open tasks and their oldest age by pool, stage, priority and state."""
        return self._rows("depth")

    def fairness(self) -> Sequence[Row]:
        """Count the tenants that wait for each pool, and tell how far apart they are."""
        return self._rows("fairness")

    def crews(self) -> Sequence[Row]:
        """Count the workers and slots of each pool that were seen lately."""
        return self._rows("crews", seen=SEEN)

    def paused(self) -> Sequence[Row]:
        """List the pools that wait for a dependency, and for which."""
        return self._rows("paused")

    def dead(self) -> Sequence[Row]:
        """Count the dead tasks of each stage that somebody may have to look at."""
        return self._rows("dead")

    def expired(self) -> list[Reaped]:
        """List the running tasks whose lease has run out."""
        rows = self._rows("expired", stages=list(Stage))
        return [Reaped(**{**row, "stage": Stage(row["stage"])}) for row in rows]

    def take_back(self, expired: Reaped) -> bool:
        """Take a task back and settle its document; False when a renewal or commit was faster.

        Raise DatabaseBusy when somebody else holds the document.
        """
        taken, document = self._database.run(lambda c: _take_back(c, expired, self._policy))
        if taken and document is not None:
            announce(self._database, document)
        return taken

    def reap(self) -> list[Reaped]:
        """Take back every task whose lease has run out, one document at a time.

        One that cannot be is logged and left: nobody else waits for it. What somebody else holds is
        not taken this time.
        """
        held: set[UUID | None] = set()
        return [each for each in self.expired() if self._taken_back(each, held)]

    def rehint(self) -> list[Dispatched]:
        """Tell which queued tasks want a hint again; their next one is due later."""
        rows = self._rows(
            "rehint",
            wait=self._rehint,
            idle_wait=self._rehint / IDLE_SHARE,
            cap=HINT_CAP,
            seen=SEEN,
            pools=list(Pool),
        )
        return [_dispatched(row) for row in rows]

    def unhinted(self, hints: Sequence[Hint]) -> None:
        """Note that these hints did not go out: they are due at once."""
        tasks = [hint.task for hint in hints]
        self._database.once(lambda c: c.execute(SQL["unhinted"], {"tasks": tasks}))

    def unhint_all(self) -> None:
        """Note that the broker may have lost everything: every queued task is due a hint."""
        self._database.once(lambda c: c.execute(SQL["unhint_all"]))

    def pick(self, pool: Pool) -> list[Dispatched]:
        """Fill the pool's window fairly.

        Empty when another dispatcher picks for it now, or the pool waits for a dependency.
        """
        return self._database.run(lambda connection: self._pick(connection, pool))

    def _taken_back(self, expired: Reaped, held: set[UUID | None]) -> bool:
        if expired.document in held:
            return False
        taken = attempted(
            lambda: self.take_back(expired), but=(DatabaseDown,), even=(DatabaseBusy,)
        )
        if isinstance(taken, Unforeseen) and isinstance(taken.error, DatabaseBusy):
            log.warning("not_taken_back", task=expired.task, error=str(taken))
            held.add(expired.document)
            return False
        if isinstance(taken, Unforeseen):
            log.error("not_taken_back", task=expired.task, exc_info=taken.error)
            return False
        return taken

    def _pick(self, connection: Connection, pool: Pool) -> list[Dispatched]:
        impatient(connection, PICK_PATIENCE)
        if not _first(connection, "try_lock_pool", space=LOCK_SPACE, pool=pool)["got"]:
            return []
        state = _first(connection, "pool_state", pool=pool, seen=SEEN)
        if state["paused"]:
            return []
        size = window(
            state["slots"],
            tick_seconds=self._tick.total_seconds(),
            task_seconds=state["task_seconds"],
        )
        free = size - sum(row["live"] for row in state["live"])
        return _Pick(connection, pool, state).fill(free) if free > 0 else []

    def _rows(self, query: str, **parameters: Any) -> list[Row]:
        return self._database.once(lambda c: c.execute(SQL[query], parameters).fetchall())


class _Pick:
    """One pick of one pool, inside its transaction."""

    def __init__(self, connection: Connection, pool: Pool, state: Row) -> None:
        counts: Sequence[Row] = state["live"]
        self._connection = connection
        self._pool = pool
        self._suspects: bool = state["suspects"]
        self._most: dict[str, int | None] = {row["tenant"]: row["max_running"] for row in counts}
        self._slots: int = state["slots"]
        self._clock: float = state["vtime"]
        self._live = Counter({row["tenant"]: row["live"] for row in counts})
        self._critical: int = sum(row["critical"] for row in counts)
        self._alone: int = sum(row["alone"] for row in counts)
        # what may start now of the pool's stages; None where there is no limit
        starts = {stage: state["limits"].get(stage) for stage in Stage if stage.pool is pool}
        self._starts = {stage: most for stage, most in starts.items() if most != 0}

    def fill(self, free: int) -> list[Dispatched]:
        self._clear(free)
        queued: list[Dispatched] = []
        for lines in (self._lone_line, self._critical_lines, self._lines):
            left = free - len(queued)
            if left > 0:
                queued += self._serve(lines(self._full(), left), left)
        return queued

    def _full(self) -> list[str]:
        """The tenants that may have no more running than they have."""
        caps = [(tenant, most) for tenant, most in self._most.items() if most is not None]
        return [tenant for tenant, most in caps if self._live[tenant] >= most]

    def _lone_line(self, full: list[str], _: int) -> list[Line]:
        if self._alone or not self._suspects:
            return []
        return self._grouped(self._asked("lone_head", full=full))

    def _critical_lines(self, full: list[str], free: int) -> list[Line]:
        room = min(free, int(self._slots * CRITICAL_SHARE) - self._critical)
        if room <= 0:
            return []
        return self._grouped(self._asked("critical_heads", full=full, room=room))

    def _lines(self, full: list[str], free: int) -> list[Line]:
        rows = self._asked("lines", full=full, free=free)
        if not rows:
            return []
        lines = {row["tenant"]: _line(row) for row in rows}
        rooms = [self._room(row, free) for row in rows]
        starts = list(self._starts.values())
        heads = self._asked("heads", tenants=list(lines), rooms=rooms, starts=starts)
        for head in heads:
            lines[head["tenant"]].tasks.append(_candidate(head))
        return list(lines.values())

    def _asked(self, query: str, **parameters: Any) -> list[Row]:
        """Ask for what waits for the pool in a stage of which something may start."""
        stages = list(self._starts)
        return _all(self._connection, query, pool=self._pool, stages=stages, **parameters)

    def _grouped(self, rows: Sequence[Row]) -> list[Line]:
        lines: dict[str, Line] = {}
        for row in rows:
            self._most[row["tenant"]] = row["max_running"]
            line = lines.setdefault(row["tenant"], _line(row))
            if len(line.tasks) < self._room(row, len(rows)):
                line.tasks.append(_candidate(row))
        return list(lines.values())

    def _room(self, row: Row, free: int) -> int:
        if row["max_running"] is None:
            return free
        left: int = row["max_running"] - self._live[row["tenant"]]
        return min(free, max(left, 0))

    def _serve(self, lines: list[Line], free: int) -> list[Dispatched]:
        owners = {each.task: line.tenant for line in lines for each in line.tasks}
        buckets = {each.task: each.buckets for line in lines for each in line.tasks}
        tokens = self._tokens({name for names in buckets.values() for name in names})
        picked = pick(lines, free=free, clock=self._clock, tokens=tokens)
        if not picked.tasks:
            return []
        rows = _all(self._connection, "queue_tasks", tasks=list(picked.tasks))
        queued = {row["id"]: _dispatched(row) for row in rows}
        self._live.update(owners[task] for task in queued)
        self._spend(Counter(name for task in queued for name in buckets[task]))
        self._charge(picked)
        return [queued[task] for task in picked.tasks if task in queued]

    def _tokens(self, names: set[str]) -> dict[str, int]:
        """Fill the buckets and hold them to the end of the transaction: other pools share them."""
        if not names:
            return {}
        rows = _all(self._connection, "fill_buckets", names=sorted(names))
        return {row["name"]: int(row["tokens"]) for row in rows}

    def _spend(self, spent: Counter[str]) -> None:
        if spent:
            parameters = {"names": list(spent), "starts": list(spent.values())}
            self._connection.execute(SQL["spend_tokens"], parameters)

    def _charge(self, picked: Picked) -> None:
        charged = {
            "pool": self._pool,
            "tenants": list(picked.vtimes),
            "vtimes": list(picked.vtimes.values()),
            "clock": picked.clock,
        }
        self._connection.execute(SQL["charge"], charged)
        self._clock = picked.clock

    def _clear(self, free: int) -> None:
        self._connection.execute(SQL["clear_backlog"], {"pool": self._pool, "free": free})


def _line(row: Row) -> Line:
    return Line(row["tenant"], row["vtime"], row["weight"], deque())


def _candidate(row: Row) -> Candidate:
    return Candidate(row["id"], row["cost"], tuple(row["buckets"]))


def _take_back(
    connection: Connection, reaped: Reaped, policy: RetryPolicy
) -> tuple[bool, Locked | None]:
    impatient(connection, REAP_PATIENCE)
    document = locked(connection, reaped.document) if reaped.document else None
    if reaped.document and document is None:
        return False, None
    fence = {"task": reaped.task, "token": reaped.token}
    row = connection.execute(SQL["still_expired"], fence).fetchone()
    if row is None:
        return False, None
    failure = Failure(
        outcome=Outcome.LOST, code="lease_lost", detail=f"{reaped.worker} did not renew"
    )

    def follow(spent: Spent) -> Next:
        # nobody can renew while PostgreSQL is away: that is no worker's fault and no task's
        return Next(state=TaskState.READY, spent=spent) if row["outage"] else lost(spent, policy)

    return end_attempt(connection, document, reaped, failure, follow), document


def _dispatched(row: Row) -> Dispatched:
    return Dispatched(
        pool=Pool(row["pool"]),
        hint=Hint(row["id"], row["dispatch"]),
        waited_seconds=row.get("waited_seconds"),
    )


def _known(names: Sequence[str]) -> frozenset[Pool]:
    """Leave out what only a newer release knows: its own dispatcher sees to that."""
    return frozenset(pool for pool in Pool if pool.value in names)


def _all(connection: Connection, query: str, **parameters: Any) -> list[Row]:
    return connection.execute(SQL[query], parameters).fetchall()


def _first(connection: Connection, query: str, **parameters: Any) -> Row:
    return _all(connection, query, **parameters)[0]


__all__ = ["Dispatched", "Glance", "PostgresDispatch", "Reaped"]
