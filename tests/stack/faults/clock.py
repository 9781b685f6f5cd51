"""Services whose clock is wrong and jumps: by hours, backwards too."""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Final

from tests.stack.faults.fault import Fault, Toll, again_and_again
from tests.stack.faults.flight import LOOK_EVERY, work_of
from tests.stack.routed import Routed
from tests.stack.setting import with_settings

# libfaketime 0.9.10 breaks the absolute sleep of CPython 3.11 where the monotonic clock stays true.
SLEEP: Final = """\
import select, time
time.sleep = lambda seconds: (select.select((), (), (), seconds), None)[1]
"""
STEP: Final = 2  # seconds
OFTEN: Final = {"DOCMILL_CRON_UPLOADS": "* * * * * *", "DOCMILL_CRON_ERASURE": "* * * * * *"}
WHAT: Final = {
    "ocr": "tasks of the worker",
    "ingest": "uploads",
    "dispatcher": "tasks to dispatch",
    "scheduler": "jobs",
}
HOURS: Final = (1, -1, 2, -2, 0)  # off the true time, one after the other


class Clock:
    """A clock that the processes with its environment look at, and that a test steps.

    Only the time of day steps, as it does where somebody sets it; the monotonic clock goes on.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "clock"
        self._folder.mkdir(exist_ok=True)
        (self._folder / "sitecustomize.py").write_text(SLEEP)
        self._file = self._folder / "now"
        self.step(0)

    @property
    def environment(self) -> dict[str, str]:
        """Give the variables that make a process look at this clock (libfaketime 0.9.10)."""
        library = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
        return {
            "LD_PRELOAD": str(library),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_CACHE_DURATION": "1",  # seconds
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "PYTHONPATH": str(self._folder),
        }

    def step(self, hours: int) -> None:
        """Set the clock so many hours off."""
        new = self._file.with_suffix(".new")
        new.write_text(f"{hours:+d}h\n")
        new.replace(self._file)


def clock_stepped(name: str) -> Fault:
    """Make the fault that a service's clock jumps every two seconds."""

    @contextmanager
    def step(stack: Routed, draw: Random) -> Iterator[Toll]:
        clock, hours, toll = Clock(stack.root), itertools.cycle(HOURS), Toll(WHAT[name])
        with (
            with_settings(stack.services[name], clock.environment | OFTEN),
            again_and_again(lambda: clock.step(next(hours)), every=STEP),
            again_and_again(lambda: toll.most(work_of(stack, name)), every=LOOK_EVERY),
        ):
            yield toll

    step.__name__ = f"clock_of_{name}_stepped"
    step.__doc__ = f"The clock of {name} jumps by hours, forwards and backwards, every two seconds."
    return step


FAULTS: Final[tuple[Fault, ...]] = tuple(
    clock_stepped(name) for name in ("ocr", "ingest", "dispatcher", "scheduler")
)
