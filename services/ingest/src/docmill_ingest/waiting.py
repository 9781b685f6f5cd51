"""Long polls: who waits for a document, and the one listener that wakes them."""

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Final
from uuid import UUID

import psycopg

from docmill.adapters.postgres.bell import DOCUMENT
from docmill.ops.logging import logger
from docmill.ops.metrics import HTTP_WAITING

log = logger(__name__)
POLL_SECONDS: Final = 1.0  # the fallback when a notification is lost
RECONNECT_SECONDS: Final = 2.0
LOOK_UP_SECONDS: Final = 0.2  # how long the listener takes to notice that it is to leave


class Changes:
    """Who waits for which document. Safe from any thread; holds no database connection."""

    def __init__(self, most: int) -> None:
        self._seats = threading.BoundedSemaphore(max(1, most))
        self._lock = threading.Lock()
        self._waiting: dict[UUID, set[threading.Event]] = defaultdict(set)
        self.closing = threading.Event()

    @contextmanager
    def seat(self) -> Iterator[bool]:
        """Take one of the seats for those who wait; False when all are taken."""
        taken = self._seats.acquire(blocking=False)
        try:
            if taken:
                HTTP_WAITING.inc()
            yield taken
        finally:
            if taken:
                HTTP_WAITING.dec()
                self._seats.release()

    @contextmanager
    def watching(self, document: UUID) -> Iterator[threading.Event]:
        """Give an event that is set at each change; clear it before looking."""
        event = threading.Event()
        with self._lock:
            self._waiting[document].add(event)
        try:
            yield event
        finally:
            with self._lock:
                self._waiting[document].discard(event)
                if not self._waiting[document]:
                    del self._waiting[document]

    def changed(self, document: UUID) -> None:
        """Wake whoever waits for the document."""
        with self._lock:
            for event in self._waiting.get(document, ()):
                event.set()

    def close(self) -> None:
        """Wake everyone for good: the process is leaving."""
        self.closing.set()
        with self._lock:
            for event in (each for events in self._waiting.values() for each in events):
                event.set()

    def wait(self, document: UUID, settled: Callable[[], bool], limit: timedelta) -> None:
        """Return once `settled` holds, the time is up or the process is leaving."""
        deadline = time.monotonic() + limit.total_seconds()
        with self.watching(document) as event:
            while not settled() and not self.closing.is_set():
                left = deadline - time.monotonic()
                if left <= 0:
                    return
                event.wait(min(left, POLL_SECONDS))
                event.clear()


class Listener:
    """One thread that hears of changes on a connection of its own, outside the pool.

    `url` must reach PostgreSQL itself, never a transaction pooler. While it is away, those who
    wait poll.
    """

    def __init__(self, url: str, changes: Changes) -> None:
        self._url = url
        self._changes = changes
        self._leaving = threading.Event()
        self._thread = threading.Thread(target=self._run, name="listener", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Stop listening. Twice is safe."""
        self._leaving.set()
        if self._thread.is_alive():
            self._thread.join(timeout=3)

    def _run(self) -> None:
        while not self._leaving.is_set():
            try:
                self._listen()
            except psycopg.Error as error:
                log.warning("listener_lost", error=str(error))
                self._leaving.wait(RECONNECT_SECONDS)

    def _listen(self) -> None:
        with psycopg.connect(
            self._url, autocommit=True, connect_timeout=5, application_name="docmill-ingest-listen"
        ) as connection:
            connection.execute(f"LISTEN {DOCUMENT}")
            while not self._leaving.is_set():
                for heard in connection.notifies(timeout=LOOK_UP_SECONDS):
                    self._tell(heard.payload)

    def _tell(self, payload: str) -> None:
        with suppress(ValueError):  # anybody may notify
            self._changes.changed(UUID(payload))
