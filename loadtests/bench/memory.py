"""What a long scan takes of an OCR worker's memory: `python -m loadtests.bench.memory`."""

import argparse
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any, Final, TypeAlias

import img2pdf
import pikepdf
import psutil
from PIL import Image

from deploy.local.stack import Stack
from docmill.ops.logging import configure
from docmill.testing.documents import dense_text
from docmill.testing.pictures import Sheet, encoded, printed, scanned
from docmill.testing.ruled import Rules, pages
from docmill.testing.specimen import Part
from loadtests.bench import publish, report
from loadtests.bench.measure import Goal
from loadtests.bench.stack import lift_quota
from tests.stack.flow import END, Caller, caller
from tests.stack.wait import until
from tests.stack.whole import whole_stack

DPI: Final = 300
DISTINCT: Final = 5  # pages; the others repeat them, so that the file stays small
MOST: Final = 200  # MB, of a slot: the worker and its child, what they share counted once
MOST_FILES: Final = 50  # MB in work, of all workers: a few pages' pixels, and texts
GROWTH: Final = 1.1  # of the last third's median over the second's: flat
EVERY: Final = 0.5  # seconds between looks
FEW: Final = 100  # pages whose texts are small beside a few pages' pixels

# Seconds, pages, MB of the worker, of its child, of files in work and of files that are cached.
Moment: TypeAlias = tuple[float, float, float, float, float, float]


def main() -> int:
    """Read a document of so many pages each; print memory over time; fail over a bound."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pages", type=int, nargs="+", default=[100, 1000])
    parser.add_argument("--json", type=Path, default=Path(".local/bench.json"))
    parser.add_argument("--publish", action="store_true", help=f"write {publish.PAGE.name} anew")
    arguments = parser.parse_args()
    configure("bench", "WARNING")
    found, results = report.Results(arguments.json, quick=False), list[dict[str, Any]]()
    with (
        TemporaryDirectory(prefix="docmill-bench-") as scratch,
        whole_stack(DOCMILL_SLOTS="1", DOCMILL_SCRATCH_FOLDER=scratch) as stack,
        caller(stack) as client,
    ):
        Path(scratch).chmod(0o755)  # for the children, who are others
        lift_quota(stack)
        for turn, count in enumerate(arguments.pages, 1):
            result = _watched(stack, client, count, Path(scratch))
            result["name"] += f", document {turn} of a run"
            results.append(result)
            found.add("memory", result)
            print(told(result), flush=True)
    if arguments.publish:
        publish.write(found.measured)
    return not all(goal["met"] for result in results for goal in result["goals"])


def told(result: dict[str, Any]) -> str:
    """Some moments of the run as text."""
    series = result["series"]
    lines = ["", result["name"], "seconds  pages  worker MB  child MB  files MB  cache MB"]
    for at in range(0, len(series), max(1, len(series) // 12)):
        seconds, read, *sizes = series[at]
        worker, child, files, cache = (f"{size:8.0f}" for size in sizes)
        lines.append(f"{seconds:7.0f}  {read:5.0f}  {worker:>9}  {child}  {files}  {cache}")
    return "\n".join([*lines, *(report.goal_line(goal) for goal in result["goals"])])


def _watched(stack: Stack, client: Caller, count: int, scratch: Path) -> dict[str, Any]:
    document = client.upload(_scan(count), f"{count}.pdf")
    series: list[Moment] = []
    began = time.monotonic()

    def ended() -> bool:
        found = client.get(document)
        read = float(found["pages"]["done"])
        series.append((time.monotonic() - began, read, *_memory(stack), *_files(scratch)))
        return found["state"] in END

    until(ended, within=7200, every=EVERY)
    if (state := client.get(document)["state"]) != "ready":
        raise RuntimeError(f"the document of {count} pages ended {state}")
    return _result(count, series)


def _result(count: int, series: Sequence[Moment]) -> dict[str, Any]:
    totals = _totals(series)
    third = len(series) // 3
    middle, last = (median(_totals(series[at : at + third])) for at in (third, 2 * third))
    most_files, most_cache = (max(moment[kind] for moment in series) for kind in (4, 5))
    arms = [
        {
            "name": "slot",
            "most_mb": max(totals),
            "growth": last / middle,
            "most_mb_of_files": most_files,
            "most_mb_of_cache": most_cache,
        }
    ]
    goals = [
        Goal(arm="slot", figure="most_mb", most=MOST),
        Goal(arm="slot", figure="growth", most=GROWTH),
    ]
    if count <= FEW:
        goals.append(Goal(arm="slot", figure="most_mb_of_files", most=MOST_FILES))
    return {
        "name": f"memory: a scan of {count} pages, A4 at {DPI} dpi, one slot",
        "bound_mb": MOST,
        "series": [[round(value, 1) for value in row] for row in _thinned(series)],
        "arms": arms,
        "goals": [goal.judged(arms) for goal in goals],
    }


def _totals(series: Sequence[Moment]) -> list[float]:
    """MB of worker and child together at each moment."""
    return [worker + child for _, _, worker, child, *_ in series]


def _thinned(series: Sequence[Any], most: int = 200) -> Iterator[Any]:
    yield from series[:: max(1, len(series) // most)]


def _memory(stack: Stack) -> tuple[float, float]:
    """MB of the OCR worker and of its largest child; of what processes share each has its part."""
    worker = psutil.Process(stack.services["ocr"].process.pid)
    sizes = [0.0]
    for child in worker.children(recursive=True):
        with suppress(psutil.Error):  # it was replaced at this moment
            sizes.append(_proportional(child))
    return _proportional(worker), max(sizes)


def _proportional(process: psutil.Process) -> float:
    return float(process.memory_full_info().pss) / 2**20


def _files(folder: Path) -> tuple[float, float]:
    """MB in work under a folder and MB that are only cached, a file with several names once."""
    sizes: dict[bool, dict[int, int]] = {True: {}, False: {}}
    for root, _, names in os.walk(folder):
        for name in names:
            with suppress(FileNotFoundError):  # it was cleared away at this moment
                found = (Path(root) / name).stat()
                sizes[Path(root).name == "cache"][found.st_ino] = found.st_size
    cached, work = sizes[True], sizes[False]
    only_cached = sum(size for number, size in cached.items() if number not in work)
    return sum(work.values()) / 2**20, only_cached / 2**20


def _scan(count: int) -> bytes:
    """Repeat some scanned pages, full of text and one with a table; the file has each once."""
    shown = [_printed(seed) for seed in range(1, min(count, DISTINCT))]
    shown += [Image.fromarray(ruled.pixels) for ruled in pages(Part.TUNING, Rules.GRID, 1, dpi=DPI)]
    scans = [
        encoded(scanned(picture, seed=number), "JPEG", quality=80, dpi=(DPI, DPI))
        for number, picture in enumerate(shown)
    ]
    file = BytesIO()
    with pikepdf.open(BytesIO(img2pdf.convert(scans))) as pdf:
        for number in range(DISTINCT, count):
            pdf.pages.append(pdf.pages[number % DISTINCT])
        pdf.save(file)
    return file.getvalue()


def _printed(seed: int) -> Image.Image:
    return printed([dense_text(seed)], Sheet(dpi=DPI, points=10.5))


if __name__ == "__main__":
    sys.exit(main())
