"""Who may run now: many side by side, or one alone."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_LOOK = 0.2  # seconds between looks at whether waiting still makes sense


class Turns:
    """A lock that many share and one may have alone; who waits to be alone goes first."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._sharing = 0
        self._alone = False
        self._waiting = 0

    @contextmanager
    def shared(self, check: Callable[[], None]) -> Iterator[None]:
        """Run beside others; `check` is called while waiting and raises to give up."""
        with self._changed:
            self._wait(lambda: not self._alone and not self._waiting, check)
            self._sharing += 1
        try:
            yield
        finally:
            with self._changed:
                self._sharing -= 1
                self._changed.notify_all()

    @contextmanager
    def alone(self, check: Callable[[], None]) -> Iterator[None]:
        """Run when nobody else does, and let nobody else begin."""
        with self._changed:
            self._waiting += 1
            try:
                self._wait(lambda: not self._alone and not self._sharing, check)
            finally:
                self._waiting -= 1
                self._changed.notify_all()
            self._alone = True
        try:
            yield
        finally:
            with self._changed:
                self._alone = False
                self._changed.notify_all()

    def _wait(self, may: Callable[[], bool], check: Callable[[], None]) -> None:
        while not may():
            check()
            self._changed.wait(_LOOK)
