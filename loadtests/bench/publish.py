"""The last results as a page of the reference, with a plot of each section."""

import json
from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any, Final

from deploy.local.run_tests import ROOT
from loadtests.bench import report
from loadtests.bench.plot import Bar, bars, lines

PAGE: Final = ROOT / "docs" / "reference" / "performance.md"
FOLDER: Final = PAGE.with_suffix("")
FIGURES: Final = FOLDER / "figures.json"
HEAD: Final = """# Performance

Every figure has its bare baseline beside it, run in turns in the same run. `make bench` measures
all of it again, `make bench ARGS=--quick` its order of magnitude in minutes,
`make bench ARGS="stack ledger"` some of it; `--publish` writes what was measured into this page,
its plots and [the figures as JSON](performance/figures.json). Where `make ocrmypdf` was run before,
OCRmyPDF takes part. `python -m loadtests.bench.memory --pages 1000 1000 --publish` watches an OCR
slot over scans of a thousand pages.
[What an upload costs](uploads.md) tells what stands between an upload and a bare PUT.

A figure is the median of the rounds, in brackets the least and the most. *CPU* counts the processor
time of everybody who took part, PostgreSQL, RabbitMQ and the store included. On a machine that does
other work meanwhile it is the figure to go by, for *speed* then favours who runs more processes.
The first row of a table is the baseline; *÷ bare* tells how many times as fast, or as thrifty (work
done in a second of processor), as it a row is. Plots show thrift where it was measured, else speed.
[Where the time of a page goes](speed.md) tells what was tried and what bound is left.
"""
BUSY: Final = """A speed reached, or missed, in a quick run or under a load above the number of
cores proves nothing yet: look at the thrift beside it, and measure again on a machine that has
nothing else to do.
"""


def write(measured: Mapping[str, Mapping[str, Any]]) -> None:
    """Write the page, its plots and its JSON; sections not measured now stay as they are."""
    results: dict[str, Mapping[str, Any]] = json.loads(FIGURES.read_text()) | measured
    for old in FOLDER.glob("*.svg"):
        old.unlink()
    FIGURES.write_text(json.dumps(results, indent=1) + "\n")
    sections = chain.from_iterable(map(_section, results.items()))
    PAGE.write_text("\n".join([HEAD, *_floors(results), *sections]))


def _floors(results: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Every floor in one table."""
    yield "## Floors and bounds\n"
    yield BUSY
    yield "| what | figure | floor or bound | reached | |"
    yield "| --- | --- | --- | --- | --- |"
    for result in chain.from_iterable(section.values() for section in results.values()):
        kind = "quick, " if result["quick"] else ""
        when = f"{kind}load {result['load']:.1f}"
        yield from (report.floor_row(result["name"], goal, when) for goal in result["goals"])
    yield ""


def _section(named: tuple[str, Mapping[str, Any]]) -> Iterator[str]:
    section, results = named
    yield f"## {section.capitalize()}\n"
    for number, result in enumerate(results.values(), 1):
        plot = FOLDER / f"{section}-{number}.svg"
        plot.write_text(_course(result) if "series" in result else _plot(result))
        title = _title(result)
        yield f"### {title}\n"
        yield f"![{title}]({FOLDER.name}/{plot.name})\n"
        yield from _watched(result) if "series" in result else _comparison(result)


def _comparison(result: Mapping[str, Any]) -> Iterator[str]:
    yield from report.markdown(result)
    if told := report.told(result):
        yield "\n" + "\n".join(f"- {line}" for line in told)
    yield f"\n{result['note']} {_circumstances(result)}\n"


def _watched(result: Mapping[str, Any]) -> Iterator[str]:
    yield from (f"- {report.goal_line(goal)}" for goal in result["goals"])
    minutes = result["series"][-1][0] / 60
    yield f"\nOver {minutes:.0f} minutes, {result['at']}, {result['machine']}.\n"


def _title(result: Mapping[str, Any]) -> str:
    name: str = result["name"].partition(": ")[2]
    return name[:1].upper() + name[1:]


def _circumstances(result: Mapping[str, Any]) -> str:
    """What to know before one believes the figures."""
    kind = " (`--quick`: few rounds, the order of magnitude only)" if result["quick"] else ""
    rounds = f"{result['rounds']} round{'s' if result['rounds'] > 1 else ''}{kind}"
    return (
        f"{rounds}, {result['at']}, {result['machine']}, load average before {result['load']:.1f}."
    )


def _course(result: Mapping[str, Any]) -> str:
    """Draw what a slot takes over the pages, and its bound."""
    pages, worker, child = ([row[at] for row in result["series"]] for at in (1, 2, 3))
    slot = [sum(both) for both in zip(worker, child, strict=True)]
    return lines(
        f"{_title(result)}: MB by pages read",
        pages,
        {"worker and child": slot, "worker": worker},
        bound=result["bound_mb"],
    )


def _plot(result: Mapping[str, Any]) -> str:
    """Compare processor time where every arm has it, else speed."""
    arms = result["arms"]
    figure = "cpu_ratio" if all("cpu_ratio" in arm for arm in arms) else "ratio"
    rows = [Bar(arm["name"], **arm[figure]) for arm in arms]
    floors = (goal["least"] for goal in result["goals"] if goal["figure"] == f"{figure}.median")
    what = "thrift" if figure == "cpu_ratio" else "speed"
    return bars(f"{_title(result)}: {what} ÷ bare", rows, next(floors, None))
