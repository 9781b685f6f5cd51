"""Keeps the services of a stack running: restarts what crashed, stops all in order."""

import fcntl
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Protocol

from deploy.local.process import Process, identity
from deploy.local.stack import Stack

SHORTEST_PAUSE: Final = 0.5
LONGEST_PAUSE: Final = 30.0
STEADY_SECONDS: Final = 60.0  # who ran this long begins again with the shortest pause
TURN_SECONDS: Final = 0.2


class AlreadyRunningError(Exception):
    """Another supervisor looks after this stack. Remedy: `make down`."""


class Watched(Protocol):
    """What the supervisor needs of a service."""

    name: str

    @property
    def process(self) -> "Life": ...

    def start(self) -> None: ...


class Life(Protocol):
    """How a service does."""

    @property
    def running(self) -> bool: ...

    @property
    def exit_code(self) -> int | None: ...


class Watch:
    """What the supervisor knows of one service."""

    def __init__(self, service: Watched, clock: Callable[[], float] = time.monotonic) -> None:
        self.service = service
        self._clock = clock
        self.started = clock()
        self.pause = SHORTEST_PAUSE
        self.due: float | None = None

    def turn(self, tell: Callable[[str], None]) -> None:
        """Look once; a dead service is started again after a pause that doubles each time."""
        now = self._clock()
        if self.service.process.running:
            if now - self.started > STEADY_SECONDS:
                self.pause = SHORTEST_PAUSE
        elif self.due is None:
            self.due = now + self.pause
            code = self.service.process.exit_code
            tell(f"{self.service.name} ended with {code}; again in {self.pause:.1f} s")
            self.pause = min(self.pause * 2, LONGEST_PAUSE)
        elif now >= self.due:
            self.due, self.started = None, now
            self.service.start()


class Supervisor:
    """Watches the services from a thread of its own between `start` and `stop`."""

    def __init__(self, stack: Stack, tell: Callable[[str], None]) -> None:
        self._stack = stack
        self._tell = tell
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="supervisor", daemon=True)

    def start(self) -> None:
        """Start everything and return when it is ready."""
        began = time.monotonic()
        self._stack.stop_services()  # what a killed supervisor left runs older code
        self._stack.start_servers()
        self._tell("servers are ready")
        self._stack.start_services()
        self._thread.start()
        self._stack.wait_ready()
        self._tell(f"services are ready, {time.monotonic() - began:.1f} s after the start")

    def stop(self) -> None:
        """Drain the services, stop the servers, leave nothing."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()
        self._tell("stopping the services, then the servers")
        self._stack.stop()

    def _watch(self) -> None:
        watches = [Watch(service) for service in self._stack.services.values()]
        while not self._ended.wait(TURN_SECONDS):
            for watch in watches:
                watch.turn(self._tell)


@contextmanager
def only_one(root: Path) -> Iterator[None]:
    """Hold the stack for one supervisor; raise AlreadyRunningError when another has it."""
    file = holder(root).pid_file
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            raise AlreadyRunningError from exc
        file.write_text(identity(os.getpid()))
        yield


def holder(root: Path) -> Process:
    """Give whoever holds the stack: what `up` left in the background, or somebody's demo."""
    run = root / "run"
    return Process("supervisor", run / "supervisor.lock", root / "logs" / "supervisor.log")
