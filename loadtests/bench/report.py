"""Results as a table for the terminal and as JSON."""

import json
import platform
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import psutil

_LEAST_SHARE: Final = 0.05  # ms; less is not worth a word
_WHOLE: Final = 100  # from here on without decimals
_COLUMNS: Final = ("", "a second", "CPU ms", "p95 ms", "speed ÷ bare", "thrift ÷ bare")


class Results:
    """Kept as JSON after each comparison; those of an earlier run stay until they are replaced."""

    def __init__(self, path: Path, *, quick: bool) -> None:
        self._path = path
        self._quick = quick
        self._load = psutil.getloadavg()[2]  # of the quarter of an hour before our own
        self._measured: dict[str, dict[str, Any]] = {}
        self._kept: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}

    def add(self, section: str, result: Mapping[str, Any]) -> None:
        """Keep one comparison."""
        stamp = {"at": time.strftime("%Y-%m-%d"), "quick": self._quick, "machine": machine()}
        stamped = {**stamp, "load": self._load, **result}
        for all_of_them in (self._kept, self._measured):
            all_of_them.setdefault(section, {})[result["name"]] = stamped
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.write_text(json.dumps(self._kept, indent=1) + "\n")

    @property
    def measured(self) -> Mapping[str, Mapping[str, Any]]:
        """The comparisons of this run by section and name."""
        return self._measured

    @property
    def missed(self) -> list[str]:
        """The goals that this run did not reach, in words."""
        return [
            f"{result['name']}: {goal['arm']} {goal['figure']} {goal['value']}, {goal['bound']}"
            for section in self._measured.values()
            for result in section.values()
            for goal in result["goals"]
            if not goal["met"]
        ]


def machine() -> str:
    """What was measured on: cores, memory, processor, Python."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    memory = psutil.virtual_memory().total >> 30
    return f"{psutil.cpu_count()} cores of {model}, {memory} GB, Python {platform.python_version()}"


def table(result: Mapping[str, Any]) -> str:
    """One comparison as text."""
    rows = [list(_COLUMNS)] + [cells(arm) for arm in result["arms"]]
    widths = [max(len(row[index]) for row in rows) for index in range(len(_COLUMNS))]
    lines = ["", f"{result['name']}  ({result['rounds']} rounds, unit: {result['unit']})"]
    for row in rows:
        first, *others = zip(row, widths, strict=True)
        lines.append("  ".join([first[0].ljust(first[1]), *(c.rjust(w) for c, w in others)]))
    return "\n".join([*lines, *told(result)])


def markdown(result: Mapping[str, Any]) -> list[str]:
    """One comparison as the lines of a table in Markdown."""
    head = [result["unit"], *_COLUMNS[1:]]
    rows = [head, ["---"] * len(head), *(cells(arm) for arm in result["arms"])]
    return [f"| {' | '.join(row)} |" for row in rows]


def told(result: Mapping[str, Any]) -> list[str]:
    """What goes under a table: who used the processor, other facts, floors."""
    shares = [shares for arm in result["arms"] if (shares := _shares(arm))]
    return [*shares, *(goal_line(goal) for goal in result["goals"])]


def cells(arm: Mapping[str, Any]) -> list[str]:
    """An arm's figures as a row: medians, spread in brackets."""
    return [
        arm["name"],
        _spread(arm["per_second"]),
        _spread(arm.get("cpu_ms")),
        _number(arm.get("p95_ms")),
        _spread(arm["ratio"]),
        _spread(arm.get("cpu_ratio")),
    ]


def goal_line(goal: Mapping[str, Any]) -> str:
    verdict = "met" if goal["met"] else "MISSED"
    reached = f"{_number(goal['value'])} {verdict}"
    return f"goal: {goal['arm']}, {goal['figure']} {goal['bound']}: {reached}"


def floor_row(name: str, goal: Mapping[str, Any], when: str) -> str:
    """A floor as a row in Markdown: what, figure, bound, reached, verdict."""
    verdict = f"{'met' if goal['met'] else '**missed**'} ({when})"
    figure = f"{goal['arm']}: {goal['figure']}"
    return f"| {' | '.join([name, figure, goal['bound'], _number(goal['value']), verdict])} |"


def _shares(arm: Mapping[str, Any]) -> str:
    shares = sorted(arm["shares_ms"].items(), key=lambda each: -each[1])
    parts = [f"{name} {_number(ms)} ms" for name, ms in shares if ms >= _LEAST_SHARE]
    parts += [f"{name} {_number(value)}" for name, value in arm["facts"].items()]
    return f"{arm['name']}: {', '.join(parts)}" if parts else ""


def _spread(figure: Mapping[str, float] | None) -> str:
    if figure is None:
        return ""
    middle, least, most = (_number(figure[key]) for key in ("median", "least", "most"))
    return middle if least == most else f"{middle} ({least} to {most})"


def _number(value: float | None) -> str:
    """Three figures, without more digits than the measurement has."""
    if value is None:
        return ""
    return f"{value:.0f}" if abs(value) >= _WHOLE else f"{value:.3g}"
