"""What a seed stands for: which fault comes when, how long it lasts, and how long the rest is."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Final

from tests.stack.faults import FAULTS

PAUSE: Final = (4.0, 12.0)  # seconds between two faults
LENGTH: Final = (0.5, 12.0)  # seconds that one lasts; a lease of the quick settings is 4.5


@dataclass(frozen=True, slots=True)
class Step:
    """One fault of the schedule; `draw` is for what the fault itself draws."""

    fault: str
    length: float
    pause: float
    draw: Random


def schedule(seed: int) -> Iterator[Step]:
    """Draw steps for ever: the same on every machine, whether or not it can have each fault."""
    draw, names = Random(seed), sorted(FAULTS)
    for number in itertools.count(1):
        fault, length, pause = draw.choice(names), draw.uniform(*LENGTH), draw.uniform(*PAUSE)
        yield Step(fault, length, pause, Random(f"{seed}-{number}"))
