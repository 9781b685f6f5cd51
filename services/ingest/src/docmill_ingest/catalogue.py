"""The catalogue of errors, from the classes themselves: codes, meanings and remedies."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from docmill.domain import refusal, rejection
from docmill.domain.errors import (
    BrokerDown,
    DatabaseBusy,
    DatabaseDown,
    Permanent,
    StoreDown,
    Transient,
)
from docmill.domain.refusal import Refusal
from docmill.domain.rejection import Rejection

_RETRY = "Repeat the request after the time in Retry-After."


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One error."""

    code: str
    status: int | None  # None where it is told in a document, never as an answer
    meaning: str
    remedy: str
    group: str


@cache
def entries() -> tuple[Entry, ...]:
    """Every error, by group and code."""
    made = [*map(_permanent, _leaves(Permanent)), *_later(), _INTERNAL]
    return tuple(sorted(made, key=lambda each: (each.group, each.status or 0, each.code)))


@cache
def remedy(code: str) -> str:
    """What to do about a code; empty for one that is unknown."""
    return next((each.remedy for each in entries() if each.code == code), "")


_INTERNAL = Entry(
    code="internal_error",
    status=500,
    meaning="The service failed; the operator can find it by the correlation id.",
    remedy="Repeat the request; tell the operator the correlation id if it happens again.",
    group="3 The service",
)


def _leaves(kind: type[Permanent]) -> Iterator[type[Permanent]]:
    modules = {refusal.__name__, rejection.__name__}
    for each in kind.__subclasses__():
        if "code" in vars(each) and each.__module__ in modules:
            yield each
        yield from _leaves(each)


def _permanent(kind: type[Permanent]) -> Entry:
    return Entry(
        code=kind.code,
        status=kind.status if issubclass(kind, Refusal) or kind in _ANSWERED else None,
        meaning=(kind.__doc__ or "").strip().splitlines()[0],
        remedy=kind.remedy,
        group=_group(kind),
    )


# These rejections are found while the upload is still there to be refused.
_ANSWERED = frozenset({rejection.EmptyFile, rejection.UnknownLanguage})


def _group(kind: type[Permanent]) -> str:
    if issubclass(kind, Refusal):
        return "1 Requests that are refused"
    if issubclass(kind, Rejection):
        return "2 Documents that are rejected"
    return "2 Pages and tasks that fail"


def _later() -> Iterator[Entry]:
    kinds: tuple[type[Transient], ...] = (DatabaseDown, DatabaseBusy, StoreDown, BrokerDown)
    for kind in kinds:
        yield Entry(
            code=kind.code,
            status=None if kind is BrokerDown else 503,
            meaning=(kind.__doc__ or "").strip().splitlines()[0],
            remedy=_RETRY,
            group="3 The service",
        )
