"""What a job is: something to do at each slot of its cron, in bounded steps."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from docmill.ops.metrics import Job as Name


class Withdrawn(Exception):
    """The permit is gone (the lease was lost, or the service stops): leave at once."""


class Permit:
    """A run's leave to go on, asked for between its steps."""

    def __init__(self) -> None:
        self._reason = ""
        self._gone = threading.Event()

    def check(self) -> None:
        """Return while the run may go on; raise Withdrawn."""
        if self._gone.is_set():
            raise Withdrawn(self._reason)

    def withdraw(self, reason: str) -> None:
        """End the run at its next check. Twice is safe."""
        self._reason = self._reason or reason
        self._gone.set()


@dataclass(frozen=True, slots=True)
class Done:
    """What a run did: how many things, and facts for its history."""

    rows: int = 0
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A duty of the scheduler.

    `run` does a step after the other and asks the permit between them, may raise anything, and is
    safe to run twice, also at once: a run whose lease was lost may overlap with its successor.
    """

    name: Name
    cron: str
    run: Callable[[Permit], Done]
    enabled: bool = True
