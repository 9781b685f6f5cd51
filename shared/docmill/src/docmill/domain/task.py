"""A task: one unit of one stage in one run, its states and the policy of trying again."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from docmill.domain.document import Options


class Pool(StrEnum):
    """One kind of worker and its one queue."""

    VALIDATOR = "validator"
    OCR = "ocr"
    THUMBNAILER = "thumbnailer"
    NOTIFIER = "notifier"

    @property
    def queue(self) -> str:
        """Its RabbitMQ queue; changed arguments mean a new suffix."""
        return f"docmill.{self.value}.v1"


class Stage(StrEnum):
    """A kind of work."""

    VALIDATE = "validate"
    RECOGNISE = "recognise"
    ASSEMBLE = "assemble"
    THUMBNAIL = "thumbnail"
    NOTIFY = "notify"

    @property
    def pool(self) -> Pool:
        """The kind of worker that does it."""
        return _POOLS[self]

    @property
    def gates(self) -> bool:
        """Whether a document waits for it, and can fail by it."""
        return self in GATING

    @property
    def rank(self) -> int:
        """Later stages go first, so that a document begun is finished before the next."""
        return list(Stage).index(self)


_POOLS: Final = {
    Stage.VALIDATE: Pool.VALIDATOR,
    Stage.RECOGNISE: Pool.OCR,
    Stage.ASSEMBLE: Pool.OCR,
    Stage.THUMBNAIL: Pool.THUMBNAILER,
    Stage.NOTIFY: Pool.NOTIFIER,
}
GATING: Final = frozenset({Stage.VALIDATE, Stage.RECOGNISE, Stage.ASSEMBLE})


def cost(stage: Stage, pages: int) -> float:
    """What a dispatch of the stage costs its tenant, in pages."""
    if stage in {Stage.ASSEMBLE, Stage.THUMBNAIL}:
        return max(pages, 1) / 20
    return 1.0


class TaskState(StrEnum):
    """Where a task is."""

    SCHEDULED = "scheduled"
    READY = "ready"
    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    DEAD = "dead"
    CANCELLED = "cancelled"


MOVES: Final[Mapping[TaskState, frozenset[TaskState]]] = {
    TaskState.SCHEDULED: frozenset({TaskState.READY, TaskState.CANCELLED}),
    TaskState.READY: frozenset({TaskState.QUEUED, TaskState.CANCELLED}),
    TaskState.QUEUED: frozenset({TaskState.RUNNING, TaskState.CANCELLED}),
    TaskState.RUNNING: frozenset({
        TaskState.SCHEDULED,  # to be tried again
        TaskState.READY,  # released, or its worker was lost
        TaskState.DONE,
        TaskState.DEAD,
        TaskState.CANCELLED,
    }),
    TaskState.DONE: frozenset(),
    TaskState.DEAD: frozenset(),
    TaskState.CANCELLED: frozenset(),
}
OPEN: Final = frozenset(state for state in TaskState if MOVES[state])


class Outcome(StrEnum):
    """How one attempt ended."""

    DONE = "done"
    PERMANENT = "permanent"  # dead at once, with a code
    TRANSIENT = "transient"  # spends an attempt
    DEADLINE = "deadline"  # transient once, permanent the second time
    CRASH = "crash"  # the child died by signal, abort or memory, not by our own kill
    DEPENDENCY = "dependency"  # a dependency was down; spends nothing
    RELEASED = "released"  # a drain; spends nothing
    LOST = "lost"  # the worker vanished
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Hint:
    """A wake-up: always safe to lose, repeat or reorder."""

    task: int
    dispatch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskLimit:
    """What one task may use up, where that was said of its stage or its tenant."""

    attempts: int | None = None  # errors
    deadline: timedelta | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A worker's right to run a task until its lease ends; `token` is its fencing number."""

    task: int
    token: int
    stage: Stage
    tenant: str
    document: UUID | None
    delivery: int | None
    run: int
    page: int
    attempt: int
    alone: bool
    correlation: str
    options: Options
    plan: Mapping[str, Any] | None  # the run's page plan; None before validate committed
    max_pages: int  # of the tenant
    key: str | None  # of the original
    name: str
    sha256: bytes | None
    lease: timedelta
    limit: TaskLimit = TaskLimit()
    finishes: bool = False  # the run's only page: `assemble` may be done with it

    @property
    def assembling(self) -> "Claim":
        """What `assemble` would claim next, for a claim that finishes its run."""
        return replace(self, stage=Stage.ASSEMBLE, page=0, finishes=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why an attempt ended without a result. `detail` is for people, `code` for programs."""

    outcome: Outcome
    code: str
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """When a task that failed is tried again, and when it is dead."""

    attempts: int = 5
    crashes: int = 3
    deadlines: int = 2
    base: timedelta = timedelta(seconds=5)
    cap: timedelta = timedelta(minutes=10)

    def delay(self, failures: int, *, jitter: float) -> timedelta:
        """Return the wait before the next try; `jitter` is a draw from [0.5, 1.5)."""
        doubled: timedelta = self.base * 2.0 ** min(failures, 30)
        return min(self.cap, doubled) * jitter
