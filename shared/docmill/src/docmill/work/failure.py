"""How work on a claim can end badly, and what that means to the ledger."""

from collections.abc import Iterator
from enum import StrEnum
from functools import cache

from docmill.domain.errors import DependencyDown, DocmillError, Permanent, Transient
from docmill.domain.task import Failure, Outcome

_DETAIL = 500  # characters of a failure's detail that are kept


class Stop(StrEnum):
    """Why a worker stopped work that was going well."""

    LOST = "lost"  # cancelled, reaped, or the lease is over: the task is no longer ours
    DRAINED = "drained"  # we are leaving; the task is given back


class Stopped(DocmillError):
    """The work was stopped from outside."""

    def __init__(self, why: Stop) -> None:
        super().__init__(why.value)
        self.why = why


class DiskFull(DependencyDown):
    """The worker cannot keep its own files: its disk is full or failing, no task is to blame."""

    code = "disk_full"


class ChildUnfit(Transient):
    """A child did not come up: a library, a model or the machine is the reason, not the task."""

    code = "child_unfit"


class ChildCrashed(Transient):
    """The child died by a signal or an abort that was not ours."""

    code = "crash"


class OutOfMemory(ChildCrashed):
    """The stage wanted more memory than it may have."""

    code = "out_of_memory"


class OutOfScratch(ChildCrashed):
    """The stage wrote more than it may."""

    code = "out_of_scratch"


class DeadlinePassed(Transient):
    """The stage took too long and was killed."""

    code = "deadline"


class StageFailed(Transient):
    """The stage raised what is no verdict on the document."""

    code = "stage_failed"


class Hopeless(DocmillError):
    """The stage told that no retry can help, by one of the catalogue's codes."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code


def failure(error: BaseException) -> Failure:
    """Say what the error means to the ledger.

    A dependency's silence is only believed after the worker's own probe; that is the caller's.
    """
    detail = _line(error)
    match error:
        case Hopeless(code=code) | Permanent(code=code):
            return Failure(outcome=Outcome.PERMANENT, code=code, detail=detail)
        case DeadlinePassed():
            return Failure(outcome=Outcome.DEADLINE, code=error.code, detail=detail)
        case ChildCrashed():
            return Failure(outcome=Outcome.CRASH, code=error.code, detail=detail)
        case DependencyDown():
            return Failure(outcome=Outcome.DEPENDENCY, code=error.code, detail=detail)
        case Transient():
            return Failure(outcome=Outcome.TRANSIENT, code=error.code, detail=detail)
        case _:
            kind = type(error).__name__
            return Failure(outcome=Outcome.TRANSIENT, code="internal", detail=f"{kind}: {detail}")


def known_code(code: str) -> str:
    """Return the code if the catalogue of errors has it, else `other`: a child may say anything."""
    return code if code in _codes() else "other"


@cache
def _codes() -> frozenset[str]:
    return frozenset({"internal", *_codes_below(Permanent), *_codes_below(Transient)})


def _codes_below(kind: type[Permanent | Transient]) -> Iterator[str]:
    yield kind.code
    for each in kind.__subclasses__():
        yield from _codes_below(each)


def _line(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return text[:_DETAIL].replace("\x00", "")
