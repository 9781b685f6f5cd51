"""A process that kills itself with SIGKILL at one named step of its work, once.

The step is put in from outside, before the service's own `main` runs: the product knows nothing of
it.
"""

import importlib
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class Failpoint:
    """Dies right before or right after a function: a plain name, or `Class.method`."""

    module: str
    function: str
    when: Literal["before", "after"]

    def __str__(self) -> str:
        return f"{self.when} {self.function}"

    def prelude(self, mark: Path) -> str:
        """Code that arms it; the mark is made when it strikes, and keeps it from striking again."""
        called = f"arm({self.module!r}, {self.function!r}, {self.when!r}, {str(mark)!r})"
        return f"from tests.stack.failpoint import arm; {called}; "


def arm(module: str, function: str, when: str, mark: str) -> None:
    """Wrap the function where it lives."""
    owner: Any = importlib.import_module(module)
    *classes, name = function.split(".")
    for each in classes:
        owner = getattr(owner, each)
    setattr(owner, name, _deadly(getattr(owner, name), when, Path(mark)))


def _deadly(real: Callable[..., Any], when: str, mark: Path) -> Callable[..., Any]:
    @wraps(real)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        if when == "before":
            _die(mark)
        done = real(*args, **kwargs)
        if when == "after":
            _die(mark)
        return done

    return wrapped


def _die(mark: Path) -> None:
    try:
        mark.touch(exist_ok=False)
    except FileExistsError:
        return
    os.kill(os.getpid(), signal.SIGKILL)
