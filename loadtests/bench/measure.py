"""Arms that do the same work in turns, and what came out: medians, spread, ratios to the first."""

import gc
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from statistics import median, quantiles
from typing import Any, Final

_PERCENT: Final = 100
_MANY: Final = 20  # latencies below which a 95th percentile says nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """What one run of an arm took."""

    units: float  # pages, uploads, hints
    seconds: float
    cpu: float | None = None  # seconds of processor, of all that took part
    latencies: Sequence[float] = ()  # seconds of single units
    shares: Mapping[str, float] = field(default_factory=dict)  # seconds of processor by program
    facts: Mapping[str, float] = field(default_factory=dict)  # what else is worth knowing


@dataclass(frozen=True, slots=True)
class Arm:
    """One way to do the work."""

    name: str
    run: Callable[[], Sample]


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """What a figure of an arm should reach; `figure` is a path such as `ratio.median`.

    With `beside` it counts how many times the figure of another arm.
    """

    arm: str
    figure: str
    beside: str = ""
    least: float | None = None
    most: float | None = None

    def judged(self, arms: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Return the goal with what was reached; missing arms reach nothing."""
        value = self._of(arms, self.arm)
        if self.beside and value is not None:
            other = self._of(arms, self.beside)
            value = value / other if other else None
        met = value is not None and (
            value >= self.least if self.least is not None else value <= (self.most or 0)
        )
        bound = f"at least {self.least:g}" if self.least is not None else f"at most {self.most:g}"
        arm = f"{self.arm} ÷ {self.beside}" if self.beside else self.arm
        asked = {"arm": arm, "figure": self.figure, "bound": bound, "least": self.least}
        return {**asked, "value": value, "met": met}

    def _of(self, arms: Sequence[Mapping[str, Any]], name: str) -> float | None:
        found = next((arm for arm in arms if arm["name"] == name), None)
        return _at(found, self.figure) if found else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """The arms, the bare baseline first, run in turns so that a busy machine is busy for all."""

    name: str
    unit: str
    arms: Sequence[Arm]
    goals: Sequence[Goal] = ()
    note: str = ""
    warm: bool = True  # run each arm once before it counts

    def measure(self, rounds: int) -> dict[str, Any]:
        """Run every arm once a round; return the figures as JSON."""
        for arm in self.arms if self.warm else ():
            arm.run()
        samples: dict[str, list[Sample]] = {arm.name: [] for arm in self.arms}
        for number in range(rounds):
            # every other round backwards: what drifts through a round favours nobody
            for arm in self.arms if number % 2 == 0 else reversed(self.arms):
                gc.collect()
                samples[arm.name].append(arm.run())
        base = samples[self.arms[0].name]
        arms = [_figures(name, taken, base) for name, taken in samples.items()]
        return {
            "name": self.name,
            "unit": self.unit,
            "note": self.note,
            "rounds": rounds,
            "arms": arms,
            "goals": [goal.judged(arms) for goal in self.goals],
        }


def timed(work: Callable[[], float], cpu: Callable[[], float]) -> Sample:
    """Run work that returns how many units it did; `cpu` reads the processor time used so far."""
    used, began = cpu(), time.perf_counter()
    units = work()
    took = time.perf_counter() - began
    return Sample(units=units, seconds=took, cpu=cpu() - used)


def one_by_one(works: Sequence[Callable[[], object]], cpu: Callable[[], float]) -> Sample:
    """Run the works one after the other, timing each."""
    latencies = []
    used, began = cpu(), time.perf_counter()
    for work in works:
        at = time.perf_counter()
        work()
        latencies.append(time.perf_counter() - at)
    took = time.perf_counter() - began
    return Sample(units=len(works), seconds=took, cpu=cpu() - used, latencies=latencies)


def spread(values: Sequence[float]) -> dict[str, float]:
    """Return median, least and most."""
    return {"median": median(values), "least": min(values), "most": max(values)}


def percentile(values: Sequence[float], percent: int) -> float:
    return quantiles(values, n=_PERCENT)[percent - 1]


def _figures(name: str, taken: Sequence[Sample], base: Sequence[Sample]) -> dict[str, Any]:
    pairs = list(zip(taken, base, strict=True))
    found: dict[str, Any] = {
        "name": name,
        "per_second": spread([each.units / each.seconds for each in taken]),
        "ratio": spread([_rate(each) / _rate(bare) for each, bare in pairs]),
        "shares_ms": _medians([_per_unit(each.shares, each.units) for each in taken]),
        "facts": _medians([each.facts for each in taken]),
    }
    if all(each.cpu for each in taken):
        found["cpu_ms"] = spread([1000 * (each.cpu or 0) / each.units for each in taken])
        if all(each.cpu for each in base):
            ratios = [_thrift(each) / _thrift(bare) for each, bare in pairs]
            found["cpu_ratio"] = spread(ratios)
    latencies = sorted(chain.from_iterable(each.latencies for each in taken))
    if len(latencies) >= _MANY:
        found["p50_ms"] = 1000 * percentile(latencies, 50)
        found["p95_ms"] = 1000 * percentile(latencies, 95)
    return found


def _rate(sample: Sample) -> float:
    return sample.units / sample.seconds


def _thrift(sample: Sample) -> float:
    """Units a second of processor."""
    return sample.units / (sample.cpu or 1)


def _per_unit(shares: Mapping[str, float], units: float) -> dict[str, float]:
    return {name: 1000 * seconds / units for name, seconds in shares.items()}


def _medians(rows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    names = dict.fromkeys(chain.from_iterable(rows))
    return {name: median(row.get(name, 0.0) for row in rows) for name in names}


def _at(figures: Mapping[str, Any], path: str) -> float | None:
    found: Any = figures
    for part in path.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return None if found is None else float(found)
