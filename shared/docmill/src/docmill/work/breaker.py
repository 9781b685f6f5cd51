"""Stops a worker from claiming what it could not finish while a dependency is down."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from docmill.domain.errors import DependencyDown
from docmill.ops import metrics
from docmill.ops.logging import logger
from docmill.ops.middleware import Unforeseen, attempted

log = logger(__name__)


@dataclass(frozen=True, slots=True)
class Dependency:
    """What a worker needs, and how to ask whether it answers."""

    name: str  # as in the metric's label
    ping: Callable[[], None]


class Breaker:
    """Believes that a dependency is down only after its own probe failed too."""

    def __init__(self, known: Mapping[type[DependencyDown], Dependency], *, pause: float) -> None:
        self._known = known
        self._pause = pause
        self._down: set[type[DependencyDown]] = set()
        self._probing = threading.Lock()

    def confirms(self, error: DependencyDown) -> bool:
        """Whether the dependency behind the error does not answer us either; opens if so."""
        kind = type(error)
        return kind in self._known and not self._answers(kind)

    def wait(self, check: Callable[[float], None]) -> None:
        """Return once every dependency answers; `check` waits and raises to give up."""
        while self._down:
            with self._probing:
                for kind in tuple(self._down):
                    self._answers(kind)
            if self._down:
                check(self._pause)

    def _answers(self, kind: type[DependencyDown]) -> bool:
        dependency = self._known[kind]
        answer = attempted(dependency.ping)  # whatever it raises, it did not answer us
        if isinstance(answer, Unforeseen):
            if kind not in self._down:
                log.warning("breaker_opened", dependency=dependency.name, detail=str(answer))
            self._down.add(kind)
        else:
            if kind in self._down:
                log.info("breaker_closed", dependency=dependency.name)
            self._down.discard(kind)
        metrics.BREAKER_OPEN.labels(dependency.name).set(kind in self._down)
        return kind not in self._down
