"""The one place besides `main.py` that catches any error at all, so that a loop survives it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Unforeseen:
    """What a piece of work raised."""

    error: Exception

    def __str__(self) -> str:
        """Return one line for people: the kind of error and the head of its message."""
        first = (str(self.error).splitlines() or [""])[0][:200]
        return f"{type(self.error).__name__}: {first}" if first else type(self.error).__name__


def attempted(
    work: Callable[[], T],
    *,
    but: tuple[type[Exception], ...] = (),
    even: tuple[type[Exception], ...] = (),
) -> T | Unforeseen:
    """Do the work and return its result, or what it raised.

    Raise no Exception `but` those; of their kinds, `even` these are returned.
    """
    try:
        return work()
    except even as error:
        return Unforeseen(error)
    except but:
        raise
    except Exception as error:
        return Unforeseen(error)
