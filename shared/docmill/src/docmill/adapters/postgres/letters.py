"""Dead letters: what was given up, why, and how to try it once more.

A dead task never comes back: a replay opens a new run of its document, or gives its webhook a new
task. Each replay and each discard leaves an audit line.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import islice
from typing import Any, Final

from psycopg.types.json import Jsonb

from docmill.adapters.postgres.bell import READY
from docmill.adapters.postgres.connection import Connection, Row
from docmill.adapters.postgres.database import Database
from docmill.adapters.postgres.lifecycle import open_run
from docmill.adapters.postgres.queries import load
from docmill.adapters.postgres.settle import locked
from docmill.domain.document import LIVE, RERUNNABLE, State
from docmill.domain.task import Stage

SQL: Final = load("letters")


class Replay(StrEnum):
    """How a replay was answered."""

    DONE = "replayed"
    ALREADY = "a later run has begun"
    IMPOSSIBLE = "its document can no longer be run: upload it again"
    MISSING = "no such dead task"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which dead letters; None leaves a thing open."""

    code: str | None = None
    stage: Stage | None = None
    tenant: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    discarded: bool = False  # those put away as well
    replayed: bool = False  # those that were tried again as well


class PostgresLetters:
    """The operator's side of dead tasks. Every method raises DatabaseDown."""

    def __init__(self, database: Database, *, page: int = 500) -> None:
        self._database = database
        self._page = page

    def list(self, wanted: Wanted, *, limit: int = 100, after: Row | None = None) -> Sequence[Row]:
        """Read those that match, the newest first, or those that follow one of them."""
        last = after or {"ended_at": None, "id": None}
        place = {"after_end": last["ended_at"], "after_id": last["id"]}
        parameters = asdict(wanted) | place | {"limit": limit}
        return self._database.run(lambda c: c.execute(SQL["letters"], parameters).fetchall())

    def every(self, wanted: Wanted) -> Iterator[Row]:
        """Read all that match, the newest first, a page at a time; none that die meanwhile."""
        after = None
        while rows := self.list(wanted, limit=self._page, after=after):
            yield from rows
            after = rows[-1]

    def get(self, task: int) -> Row | None:
        """Read one with its attempts under `attempts`; None when no such task is dead."""

        def read(connection: Connection) -> Row | None:
            row = connection.execute(SQL["letter"], {"task": task}).fetchone()
            if row is not None:
                attempts = connection.execute(SQL["attempts"], {"task": task})
                row["attempts"] = attempts.fetchall()
            return row

        return self._database.run(read)

    def replay(self, task: int, *, by: str, after: timedelta = timedelta()) -> Replay:
        """Try once more what is left to do, beginning after a while. Twice is safe."""
        answer = self._database.run(lambda c: _replay(c, task, by, after))
        if answer is Replay.DONE:
            self._database.bell.ring(READY)
        return answer

    def replay_all(
        self, wanted: Wanted, *, by: str, per_second: float = 10, limit: int | None = None
    ) -> dict[Replay, int]:
        """Replay all that match, or the newest so many, and count the answers.

        So many begin a second.
        """
        counts = dict.fromkeys(Replay, 0)
        for row in islice(self.every(wanted), limit):
            after = timedelta(seconds=counts[Replay.DONE] / per_second)
            counts[self.replay(row["id"], by=by, after=after)] += 1
        return counts

    def discard(self, task: int, *, by: str, reason: str) -> bool:
        """Put one away with a reason; False when it is not dead or was before. Twice is safe."""
        return self._database.run(lambda c: _discard(c, task, by, reason))


def _replay(connection: Connection, task: int, by: str, after: timedelta) -> Replay:
    letter = connection.execute(SQL["letter"], {"task": task}).fetchone()
    if letter is None:
        return Replay.MISSING
    if letter["delivery"] is not None:
        answer = _deliver_again(connection, task, after)
    else:
        answer = _run_again(connection, letter, by, after)
    if answer is Replay.DONE:
        _tell(connection, letter, by, "task_replayed")
    return answer


def _deliver_again(connection: Connection, task: int, after: timedelta) -> Replay:
    parameters = {"task": task, "delay": after}
    made = connection.execute(SQL["deliver_again"], parameters).fetchone()
    return Replay.DONE if made else Replay.ALREADY


def _run_again(connection: Connection, letter: Row, by: str, after: timedelta) -> Replay:
    held = locked(connection, letter["document"])
    if held is None or held.state is State.ERASING:
        return Replay.MISSING
    if held.run != letter["run"] or held.state in LIVE:
        return Replay.ALREADY
    if held.state not in RERUNNABLE:
        return Replay.IMPOSSIBLE
    held.after = after
    held.cancel_tasks("superseded")
    held.move(State.PROCESSING)
    open_run(held, reason="replay", by=by)
    held.save()
    return Replay.DONE


def _discard(connection: Connection, task: int, by: str, reason: str) -> bool:
    parameters = {"task": task, "by": by, "reason": reason}
    row = connection.execute(SQL["discard"], parameters).fetchone()
    if row is None:
        return False
    _tell(connection, row | {"id": task}, by, "task_discarded", reason=reason)
    return True


def _tell(connection: Connection, letter: Row, by: str, action: str, **more: Any) -> None:
    line = {
        "by": by,
        "action": action,
        "tenant": letter["tenant"],
        "document": letter["document"],
        "data": Jsonb({"task": letter["id"], **more}),
    }
    connection.execute(SQL["tell_audit"], line)
