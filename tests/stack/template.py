"""Databases for tests: one migrated template on the server, cloned for each test."""

from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from importlib.resources import files
from uuid import uuid4

import psycopg
from psycopg.sql import SQL, Identifier

from docmill.adapters.postgres.migrate import migrate

LOCK = 0x74657374  # "test"


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
