"""Waiting for a condition, never for a time."""

import threading
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def until(condition: Callable[[], T], *, within: float = 30, every: float = 0.02) -> T:
    """Return the condition's first true value; fail when there is none in time."""
    give_up = time.monotonic() + within
    while not (value := condition()):
        if time.monotonic() > give_up:
            raise AssertionError(f"not within {within} s")
        threading.Event().wait(every)
    return value
