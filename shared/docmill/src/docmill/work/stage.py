"""What a stage is: the contract between the runtime and the work.

A stage runs in a warm, sandboxed child process. It sees files and a job, never a store, a database
or a queue. A service names its stages in a module `stages`, as `STAGES`: the StageWork by Stage.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from docmill.domain.document import ArtifactKind, Options
from docmill.domain.task import Stage


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One task as the stage sees it.

    `original` is the uploaded file, `pages` the stored PAGE artifacts by page number (assemble
    only), `scratch` the only directory the child may write to, empty at the start, `plan` the run's
    page plan as JSON (None for validate).
    """

    stage: Stage
    page: int
    options: Options
    original: Path
    name: str
    pages: Mapping[int, Path]
    plan: Mapping[str, Any] | None
    scratch: Path
    limits: Mapping[str, int]  # max_pages, max_pixels


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A file in the scratch directory that becomes an artifact."""

    kind: ArtifactKind
    page: int
    path: Path
    media_type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StageResult:
    """What a stage returns.

    `facts` by stage: validate: `plan`, as Plan.as_json; recognise: `confidence` (0 to 100, None
    without words), `words` (how many), `strategy` and `engine`, and for people `rotation` and
    `skew` (degrees) and `script`; thumbnail: `failed` (pages not drawn); assemble: none.
    """

    made: Sequence[Made]
    engine: str
    facts: Mapping[str, Any]


Observe = Callable[[Stage, Mapping[str, Any]], None]
"""Counts what a stage told in its facts; they come from a child, so any value may be in them."""


def observe_nothing(_stage: Stage, _facts: Mapping[str, Any]) -> None:
    """Count nothing."""


class StageWork(Protocol):
    """The work of one stage. One instance lives as long as its child process."""

    def __init__(self, settings: Mapping[str, str]) -> None:
        """Take the child's settings: the `DOCMILL_*` variables that hold no secret."""

    @property
    def engine(self) -> str:
        """What makes the results, with its version: another one would give other bytes.

        A result's `engine` begins with it; what the engine was asked for may follow.
        """

    def warm(self) -> None:
        """Load what is slow to load; called once, before the sandbox closes."""

    def run(self, job: Job) -> StageResult:
        """Do the job and write its files under `job.scratch`.

        The same job makes the same bytes, however often it runs. Raise a Permanent (Rejection for
        a whole file) when no retry can help; any other exception is transient.
        """
