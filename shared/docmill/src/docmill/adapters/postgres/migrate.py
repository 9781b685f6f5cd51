"""Plain-SQL migrations in two phases, run by one command, safe when several run at once.

A file is `RRRR_SS_phase_name.sql`: release, step, and `pre` (before that release's code rolls out)
or `post` (once the code before it is gone). Migrating to release N runs every `pre` up to N and
every `post` before N, so that the code of N-1 keeps working on the schema of N. A file whose name
ends in `_concurrently` runs outside a transaction, for CREATE INDEX CONCURRENTLY.
"""

import re
import time
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from importlib.resources import files
from typing import Final, LiteralString

import psycopg

from docmill.domain.errors import DatabaseDown

_FILE = re.compile(r"(?P<release>\d{4})_(?P<step>\d\d)_(?P<phase>pre|post)_(?P<name>\w+)\.sql")
_LOCK: Final = 0x646F636D  # "docm"
LOCK_TIMEOUT: Final = "5s"  # of one try; what waits behind us waits no longer
_JOURNAL: Final = """
CREATE TABLE IF NOT EXISTS migration (
    name text PRIMARY KEY,
    sha256 text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
)
"""


class MigrationChanged(Exception):
    """A migration that was applied has changed since: write a new one instead."""


class MigrationLocked(Exception):
    """A lock that the migration needs was held for too long."""


@dataclass(frozen=True, slots=True, order=True)
class Migration:
    """One file."""

    release: int
    step: int
    phase: str
    name: str
    sql: LiteralString

    @property
    def digest(self) -> str:
        """The SHA-256 of its text."""
        return sha256(self.sql.encode()).hexdigest()

    @property
    def concurrent(self) -> bool:
        """Whether it must run outside a transaction."""
        return self.name.endswith("_concurrently.sql")


def migrations() -> list[Migration]:
    """Return every migration of this release and those before, in order."""
    folder = files("docmill.adapters.postgres").joinpath("migrations")
    found = ((_FILE.fullmatch(each.name), each) for each in folder.iterdir())
    return sorted(
        Migration(int(match["release"]), int(match["step"]), match["phase"], each.name,
                  each.read_text())
        for match, each in found
        if match
    )  # fmt: skip


def due(every: list[Migration], *, finish: bool) -> list[Migration]:
    """Return what a roll-out runs: all but the newest release's `post`, unless it `finish`es."""
    newest = max(each.release for each in every)
    return [each for each in every if finish or each.phase == "pre" or each.release < newest]


def migrate(
    url: str, *, finish: bool = False, patience: timedelta = timedelta(minutes=5)
) -> list[str]:
    """Apply what is due and return the names of what was applied. Twice is safe, also at once.

    `finish` also runs the newest release's `post` files. `url` must reach PostgreSQL itself, not a
    transaction pooler. Locks are tried for within `patience`; all else that fails, fails at once.
    Raise MigrationChanged, MigrationLocked or DatabaseDown.
    """
    give_up = time.monotonic() + patience.total_seconds()
    with _connected(url) as connection:
        connection.execute("SELECT set_config('lock_timeout', %s, false)", [LOCK_TIMEOUT])
        _lock(connection, give_up)
        connection.execute(_JOURNAL)
        applied: dict[str, str] = dict(
            connection.execute("SELECT name, sha256 FROM migration").fetchall()
        )
        return [
            each.name
            for each in due(migrations(), finish=finish)
            if _pending(each, applied) and _apply(connection, each, give_up)
        ]


def _connected(url: str) -> psycopg.Connection:
    try:
        return psycopg.connect(url, autocommit=True, application_name="docmill-migrate")
    except psycopg.OperationalError as error:
        raise DatabaseDown(str(error).strip()) from error


def _lock(connection: psycopg.Connection, give_up: float) -> None:
    # polled, for a waiting pg_advisory_lock would hold a snapshot that stops CONCURRENTLY
    while not _scalar(connection, "SELECT pg_try_advisory_lock(%s)", _LOCK):
        if time.monotonic() > give_up:
            raise MigrationLocked("another migration holds the lock")
        time.sleep(0.1)


def _scalar(connection: psycopg.Connection, query: LiteralString, *parameters: object) -> object:
    row = connection.execute(query, parameters).fetchone()
    return row[0] if row else None


def _pending(migration: Migration, applied: dict[str, str]) -> bool:
    digest = applied.get(migration.name)
    if digest is not None and digest != migration.digest:
        raise MigrationChanged(migration.name)
    return digest is None


def _apply(connection: psycopg.Connection, migration: Migration, give_up: float) -> bool:
    if migration.concurrent:
        connection.execute(migration.sql)
        _record(connection, migration)
        return True
    while not _applied(connection, migration):
        if time.monotonic() > give_up:
            raise MigrationLocked(f"{migration.name}: the old code, or somebody else, keeps it")
    return True


def _applied(connection: psycopg.Connection, migration: Migration) -> bool:
    """Apply it in one transaction; False when a lock of another's was in the way."""
    try:
        with connection.transaction():
            connection.execute(migration.sql)
            _record(connection, migration)
    except psycopg.errors.LockNotAvailable:
        return False
    return True


def _record(connection: psycopg.Connection, migration: Migration) -> None:
    connection.execute(
        "INSERT INTO migration (name, sha256) VALUES (%s, %s)", (migration.name, migration.digest)
    )
