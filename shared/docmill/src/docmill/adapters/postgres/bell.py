"""Debounced NOTIFY: wakes listeners without a notification inside any business transaction.

A NOTIFY in a transaction takes a lock over every commit of the database; one statement of its own,
at most twenty a second from a process, costs nobody anything. A lost ring only costs a poll.
"""

import threading
from contextlib import suppress
from typing import Final

import psycopg
from psycopg_pool import PoolTimeout

from docmill.adapters.postgres.connection import alone
from docmill.adapters.postgres.pool import Pool

INTERVAL_SECONDS: Final = 0.05
READY: Final = "docmill_ready"  # a task became ready: the dispatcher listens
DOCUMENT: Final = "docmill_document"  # payload: a document's id; ingest's waiters listen


class Bell:
    """Collects rings and sends them together. Safe from any thread; never raises, never blocks."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._pending: set[tuple[str, str]] = set()
        self._wake = threading.Condition()
        self._closed = False
        self._thread: threading.Thread | None = None

    def ring(self, channel: str, payload: str = "") -> None:
        """Notify the channel within the interval, unless PostgreSQL is out."""
        with self._wake:
            if self._closed:
                return
            self._pending.add((channel, payload))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="bell", daemon=True)
                self._thread.start()
            self._wake.notify()

    def close(self) -> None:
        """Send what is pending and stop. Twice is safe."""
        with self._wake:
            self._closed = True
            self._wake.notify()
        if self._thread is not None:
            self._thread.join(timeout=2)

    def _run(self) -> None:
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._pending or self._closed)
                pending, self._pending = self._pending, set()
                closed = self._closed
            self._send(pending)
            if closed:
                return
            threading.Event().wait(INTERVAL_SECONDS)

    def _send(self, pending: set[tuple[str, str]]) -> None:
        channels, payloads = [c for c, _ in pending], [p for _, p in pending]
        with (
            suppress(psycopg.Error, PoolTimeout),  # listeners poll as well
            self._pool.connection(timeout=1) as connection,
            alone(connection),
        ):
            connection.execute(
                "SELECT pg_notify(c, p) FROM unnest(%s::text[], %s::text[]) AS ring (c, p)",
                (channels, payloads),
            )
