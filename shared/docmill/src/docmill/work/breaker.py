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


def _nobody() -> None:
    """Nobody wants to know."""


class Breaker:
    """Believes that a dependency is down only after its own probe failed too.

    While it is open a thread of its own probes every `pause` seconds: a paused pool gets no hints
    that could. `changed` is called at each opening and closing.
    """

    def __init__(
        self,
        known: Mapping[type[DependencyDown], Dependency],
        *,
        pause: float,
        changed: Callable[[], None] = _nobody,
    ) -> None:
        self._known = known
        self._pause = pause
        self._changed = changed
        self._down: set[type[DependencyDown]] = set()
        self._lock = threading.Lock()
        self._prober: threading.Thread | None = None
        for dependency in known.values():
            metrics.BREAKER_OPEN.labels(dependency.name).set(0)

    @property
    def down(self) -> tuple[str, ...]:
        """The names of what does not answer, in order."""
        return tuple(sorted(self._known[kind].name for kind in tuple(self._down)))

    def confirms(self, error: DependencyDown) -> bool:
        """Whether the dependency behind the error does not answer us either; opens if so."""
        behind = (kind for kind in self._known if isinstance(error, kind))
        return any(not self._answers(kind) for kind in behind)

    def wait(self, check: Callable[[float], None]) -> None:
        """Return once every dependency answers; `check` waits and raises to give up."""
        while self._down:
            check(self._pause)

    def _answers(self, kind: type[DependencyDown]) -> bool:
        answer = attempted(self._known[kind].ping)  # whatever it raises, it did not answer us
        if isinstance(answer, Unforeseen):
            self._open(kind, str(answer))
            return False
        self._close(kind)
        return True

    def _open(self, kind: type[DependencyDown], detail: str) -> None:
        with self._lock:
            news = kind not in self._down
            self._down.add(kind)
            if self._prober is None:
                self._prober = threading.Thread(target=self._probe, name="breaker", daemon=True)
                self._prober.start()
        if news:
            log.warning("breaker_opened", dependency=self._known[kind].name, detail=detail)
            self._tell(kind, down=True)

    def _close(self, kind: type[DependencyDown]) -> None:
        with self._lock:
            news = kind in self._down
            self._down.discard(kind)
        if news:
            log.info("breaker_closed", dependency=self._known[kind].name)
            self._tell(kind, down=False)

    def _tell(self, kind: type[DependencyDown], *, down: bool) -> None:
        metrics.BREAKER_OPEN.labels(self._known[kind].name).set(down)
        self._changed()

    def _probe(self) -> None:
        rest = threading.Event()
        while self._still_open():
            rest.wait(self._pause)
            for kind in tuple(self._down):
                self._answers(kind)

    def _still_open(self) -> bool:
        with self._lock:
            if not self._down:
                self._prober = None
            return bool(self._down)
