"""Databases for tests: clones of one migrated template, wiped and lent again."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from hashlib import sha256
from importlib.resources import files
from uuid import uuid4

import psycopg
from psycopg.sql import SQL, Identifier

from docmill.adapters.postgres.migrate import migrate

LOCK = 0x74657374  # "test"
END_OTHERS = """
SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity
 WHERE datname = current_database() AND pid <> pg_backend_pid()"""
TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename"
RESTART = """
SELECT setval(seqrelid, seqstart, false) FROM pg_sequence
 WHERE seqrelid IN (SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace)"""


def template_database(server: str) -> str:
    """Give a migrated database that nobody connects to; make it when the migrations changed."""
    name = f"template_{_fingerprint()}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", [LOCK])
        if not _exists(connection, name):
            _make(connection, server, name)
    return name


@contextmanager
def database(server: str, template: str) -> Iterator[str]:
    """Give the url of a copy of the template for the length of a block."""
    name = f"test_{uuid4().hex}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(
            SQL("CREATE DATABASE {} TEMPLATE {}").format(Identifier(name), Identifier(template))
        )
        try:
            yield _url(server, name)
        finally:
            connection.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(name)))


class Shelf:
    """Lends databases as the template is; those that come back are wiped and lent again.

    A wipe takes a tenth of a clone's time. One that cannot be wiped, for a test took its tables
    apart, is not lent again.
    """

    def __init__(self, server: str, template: str) -> None:
        self._server = server
        self._template = template
        self._all = ExitStack()
        self._free: list[str] = []
        with psycopg.connect(_url(server, template), autocommit=True) as connection:
            self._content = {table: _rows(connection, table) for table in _tables(connection)}

    @contextmanager
    def lent(self) -> Iterator[str]:
        """Give the url of a database that nobody else uses for the length of a block."""
        url = self._free.pop() if self._free else self._made()
        yield url
        if self._wiped(url):
            self._free.append(url)

    def close(self) -> None:
        self._all.close()

    def _made(self) -> str:
        return self._all.enter_context(database(self._server, self._template))

    def _wiped(self, url: str) -> bool:
        try:
            with psycopg.connect(url) as connection:
                connection.execute(END_OTHERS)
                if _tables(connection) != list(self._content):
                    return False
                self._restore(connection)
        except psycopg.Error:
            return False
        return True

    def _restore(self, connection: psycopg.Connection) -> None:
        connection.execute("SET LOCAL session_replication_role = replica")  # no foreign keys
        for table, rows in self._content.items():
            connection.execute(SQL("DELETE FROM {}").format(Identifier(table)))
            if rows:
                put = SQL("COPY {} FROM STDIN").format(Identifier(table))
                with connection.cursor().copy(put) as copy:
                    copy.write(rows)
        connection.execute(RESTART)


def _tables(connection: psycopg.Connection) -> list[str]:
    return [table for (table,) in connection.execute(TABLES)]


def _rows(connection: psycopg.Connection, table: str) -> bytes:
    with connection.cursor().copy(SQL("COPY {} TO STDOUT").format(Identifier(table))) as copy:
        return b"".join(bytes(data) for data in copy)


def _make(connection: psycopg.Connection, server: str, name: str) -> None:
    # Migrated under another name: a template is either complete or not there.
    draft = f"{name}_draft"
    connection.execute(SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(Identifier(draft)))
    connection.execute(SQL("CREATE DATABASE {} TEMPLATE template0").format(Identifier(draft)))
    migrate(_url(server, draft))
    connection.execute(
        SQL("ALTER DATABASE {} RENAME TO {}").format(Identifier(draft), Identifier(name))
    )


def _exists(connection: psycopg.Connection, name: str) -> bool:
    query = "SELECT FROM pg_database WHERE datname = %s"
    return connection.execute(query, [name]).fetchone() is not None


def _fingerprint() -> str:
    adapter = files("docmill.adapters.postgres")
    texts = [*adapter.joinpath("migrations").iterdir(), adapter.joinpath("migrate.py")]
    found = sorted((text.name, text.read_bytes()) for text in texts if text.is_file())
    return sha256(repr(found).encode()).hexdigest()[:16]


def _url(server: str, name: str) -> str:
    return f"{server.rpartition('/')[0]}/{name}"
