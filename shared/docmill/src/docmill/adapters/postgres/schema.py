"""A service begins once PostgreSQL answers and has the schema that its code needs."""

import sys
from dataclasses import dataclass
from threading import Event
from typing import Final, Protocol

import psycopg
from psycopg.rows import dict_row

from docmill.adapters.postgres.connection import Connection
from docmill.adapters.postgres.migrate import due, migrations
from docmill.ops.health import HealthServer, Probe, Unwell, serving
from docmill.ops.logging import logger
from docmill.ops.signals import heard

log = logger(__name__)
PAUSE_SECONDS: Final = 1.0
CONNECT_SECONDS: Final = 5


class Beginning(Protocol):
    """What waiting asks of a service's settings."""

    @property
    def database_url(self) -> str: ...
    @property
    def health_host(self) -> str: ...
    @property
    def health_port(self) -> int: ...


def await_schema(service: str, settings: Beginning) -> None:
    """Return once PostgreSQL answers and its schema has what this code needs.

    Until then the service lives and is unready, and `/readyz` says what it waits for. Exit 0 when
    a signal tells to leave before; the main thread alone may call it.
    """
    waiting = _Waiting(settings.database_url)
    if waiting.is_over():
        return
    leave = Event()
    probe = Probe(name="postgresql", ask=waiting.ask)
    health = HealthServer(service, settings.health_host, settings.health_port, ready=[probe])
    with heard(leave.set), serving(health):
        while not (leave.wait(PAUSE_SECONDS) or waiting.is_over()):
            pass
    if leave.is_set():
        log.info("stopped")
        sys.exit()


@dataclass(slots=True)
class _Waiting:
    url: str
    reason: str = ""

    def is_over(self) -> bool:
        reason = _missing(self.url)
        if reason not in {"", self.reason}:
            log.warning("waiting_for_schema", reason=reason)
        self.reason = reason
        return not reason

    def ask(self) -> None:
        raise Unwell(self.reason)


def _missing(url: str) -> str:
    """Say what is not there yet; nothing when all is."""
    try:
        with Connection.connect(
            url,
            application_name="docmill-begin",
            connect_timeout=CONNECT_SECONDS,
            row_factory=dict_row,
        ) as connection:
            left = outstanding(connection)
    except psycopg.OperationalError as error:
        return f"PostgreSQL does not answer: {error}".strip()
    return f"the schema lacks {', '.join(left)}: run `docmill-admin migrate`" if left else ""


def outstanding(connection: Connection) -> list[str]:
    """Return the migrations that this release's code needs and the schema has not seen."""
    journal = connection.execute("SELECT to_regclass('migration') IS NOT NULL AS there").fetchone()
    seen: set[str] = set()
    if journal and journal["there"]:
        seen = {row["name"] for row in connection.execute("SELECT name FROM migration")}
    return [each.name for each in due(migrations(), finish=False) if each.name not in seen]
