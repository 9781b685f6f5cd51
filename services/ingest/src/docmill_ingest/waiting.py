"""Long polls: who waits for a document, and who is woken by a change."""

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Final
from uuid import UUID

from docmill.ops.metrics import HTTP_WAITING

POLL_SECONDS: Final = 1.0  # the fallback when a notification is lost


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

    def heard(self, _channel: str, payload: str) -> None:
        """Wake whoever waits for the document; all when it is not said which."""
        if not payload:
            self._wake_all()
            return
        with suppress(ValueError), self._lock:  # anybody may notify
            for event in self._waiting.get(UUID(payload), ()):
                event.set()

    def close(self) -> None:
        """Wake everyone for good: the process is leaving."""
        self.closing.set()
        self._wake_all()

    def _wake_all(self) -> None:
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
