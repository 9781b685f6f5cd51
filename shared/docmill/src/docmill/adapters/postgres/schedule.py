"""The schedule in PostgreSQL: slots claimed with a lease and a token, and the history of runs."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from psycopg.types.json import Jsonb

from docmill.adapters.postgres.connection import Connection
from docmill.adapters.postgres.database import Database
from docmill.adapters.postgres.queries import load

SQL: Final = load("schedule")
ERROR_LENGTH: Final = 2000


@dataclass(frozen=True, slots=True)
class Posting:
    """What an operator changed of a job."""

    paused: bool
    cron: str | None


@dataclass(frozen=True, slots=True)
class Board:
    """The time by PostgreSQL's clock, and every registered job."""

    now: datetime
    jobs: Mapping[str, Posting]


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """The right to run a job's slot; `token` is its fencing number."""

    job: str
    slot: datetime
    token: int
    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LastRun:
    """The newest run of a job, and when one last succeeded, in any replica."""

    job: str
    paused: bool
    cron: str | None  # an operator's, instead of the setting's
    slot: datetime | None
    state: str | None
    attempt: int | None
    started_at: datetime | None
    ended_at: datetime | None
    done_rows: int | None
    error: str | None
    succeeded_at: datetime | None


class PostgresSchedule:
    """The scheduler's side of the database. Every method raises DatabaseDown."""

    def __init__(self, database: Database, *, runner: str, lease: timedelta) -> None:
        self._database = database
        self._runner = runner
        self._lease = lease

    def register(self, jobs: Sequence[str]) -> None:
        """Make sure that every job has its row. Twice is safe."""
        self._database.run(lambda c: c.execute(SQL["register_jobs"], {"jobs": list(jobs)}))

    def board(self) -> Board:
        """Return the time and what operators changed."""
        rows = self._database.run(lambda c: c.execute(SQL["board"]).fetchall())
        return Board(
            rows[0]["now"], {row["job"]: Posting(row["paused"], row["cron"]) for row in rows}
        )

    def claim(self, job: str, slot: datetime) -> Turn | None:
        """Claim the slot; None when it is not ours to run now. See `settled`."""
        parameters = {"job": job, "slot": slot, "runner": self._runner, "lease": self._lease}
        return self._database.run(lambda c: _claim(c, parameters))

    def settled(self, job: str, slot: datetime) -> bool:
        """Whether nothing is left to do for the slot, now or later."""
        parameters = {"job": job, "slot": slot}
        row = self._database.run(lambda c: c.execute(SQL["slot_succeeded"], parameters).fetchone())
        return bool(row and row["yes"])

    def renew(self, turns: Collection[Turn]) -> frozenset[int]:
        """Extend the leases; return the tokens that still hold."""
        parameters = {"tokens": [turn.token for turn in turns], "lease": self._lease}
        rows = self._database.run(lambda c: c.execute(SQL["renew_slots"], parameters).fetchall())
        return frozenset(row["token"] for row in rows)

    def finish(self, turn: Turn, *, rows: int, facts: Mapping[str, Any]) -> bool:
        """Record the success; False when the turn was lost meanwhile."""
        recorded = _named(turn) | {"rows": rows, "facts": Jsonb(dict(facts))}
        return self._database.run(lambda c: c.execute(SQL["finish_slot"], recorded).rowcount == 1)

    def fail(self, turn: Turn, *, error: str, delay: timedelta) -> bool:
        """Record the failure, to be tried again after the delay; False when the turn was lost."""
        recorded = _named(turn) | {"error": error[:ERROR_LENGTH], "delay": delay}
        return self._database.run(lambda c: c.execute(SQL["fail_slot"], recorded).rowcount == 1)

    def last_runs(self) -> list[LastRun]:
        """Return the newest run of every job."""
        rows = self._database.run(lambda c: c.execute(SQL["last_runs"]).fetchall())
        return [LastRun(**row) for row in rows]


def _claim(connection: Connection, parameters: dict[str, Any]) -> Turn | None:
    connection.execute(SQL["lock_job"], parameters)
    connection.execute(SQL["abandon_lost"], parameters)
    row = connection.execute(SQL["claim_slot"], parameters).fetchone()
    return Turn(job=parameters["job"], slot=parameters["slot"], **row) if row else None


def _named(turn: Turn) -> dict[str, Any]:
    return {"job": turn.job, "slot": turn.slot, "token": turn.token}
