"""When a run is over and how it ends: a total function of what its tasks have become."""

from dataclasses import dataclass
from typing import Final

from docmill.domain.document import State
from docmill.domain.rejection import Crashed, Rejection, TooSlow, Unreadable
from docmill.domain.task import TaskState

# A validate task that dies of these shows the file to be unreadable, not the service to be ill.
UNREADABLE: Final = frozenset({Crashed.code, TooSlow.code})


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """A run's gating tasks, counted in a statement after the document was locked."""

    state: State
    partial_allowed: bool
    open: int
    validate: TaskState | None
    validate_code: str | None
    pages_planned: int
    pages_read: int
    pages_dead: int
    page_code: str | None
    assemble: TaskState | None
    assemble_code: str | None


@dataclass(frozen=True, slots=True)
class Wait:
    """Gating work is still open, or the document is not live."""


@dataclass(frozen=True, slots=True)
class Assemble:
    """Every page has ended well enough: insert the assemble task."""


@dataclass(frozen=True, slots=True)
class End:
    """The run is over."""

    state: State
    code: str | None = None


Verdict = Wait | Assemble | End


def decide(tally: Tally) -> Verdict:
    """Tell what the run does next."""
    if tally.open or tally.state not in {State.RECEIVED, State.PROCESSING}:
        return Wait()
    if tally.validate is TaskState.DEAD:
        return _unvalidated(tally)
    if tally.assemble is TaskState.DONE:
        return End(State.READY)
    if tally.assemble is TaskState.DEAD:
        return End(State.FAILED, tally.assemble_code)
    if tally.pages_dead and not (tally.partial_allowed and tally.pages_read):
        return End(State.FAILED, tally.page_code)
    return Assemble()


def _unvalidated(tally: Tally) -> End:
    code = tally.validate_code
    if code in UNREADABLE:
        code = Unreadable.code
    rejected = tally.state is State.RECEIVED and code in rejection_codes()
    return End(State.REJECTED if rejected else State.FAILED, code)


def rejection_codes() -> frozenset[str]:
    """Return the codes that blame the file."""
    return frozenset(each.code for each in Rejection.__subclasses__())
