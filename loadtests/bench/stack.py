"""The whole stack against what a user would run instead, on the same pages, on all cores."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from deploy.local.stack import Stack
from docmill.work.settings import cores
from loadtests import ocrmypdf
from loadtests.bench import corpus, processor
from loadtests.bench.measure import Arm, Comparison, Goal, Sample, timed
from loadtests.bench.size import Size
from tests.stack.flow import caller, inspector
from tests.stack.wait import until
from tests.stack.whole import whole_stack

TENANTS: Final = 3
FLOORS: Final[Mapping[Callable[[int], bytes], float]] = {
    corpus.dense: 1.35,
    corpus.columns: 1.35,
    corpus.few_lines: 1.6,
    corpus.scan: 1.7,
}
PAGES: Final[Mapping[Callable[[int], bytes], int]] = {  # docmill reads for a minute on two cores
    corpus.dense: 130,
    corpus.columns: 130,
    corpus.few_lines: 450,
    corpus.scan: 120,
}
OURS: Final = "docmill"
AT_ONCE: Final = "docmill, all pages in one document"
BARE: Final = "bare tesserocr, one process a core"
OCRMYPDF: Final = "OCRmyPDF"
BARE_FLOOR: Final = 0.95
PRINTED: Final = "hocr,pdf"  # what the program is asked for; text is always made
EVERYTHING: Final = "words,hocr,pdf,thumbnails"
OCRMYPDF_FLOOR: Final = 1.5
LIVE: Final = "SELECT count(*) FROM document WHERE state IN ('received', 'processing')"
OPEN: Final = "SELECT count(*) FROM task WHERE state IN ('scheduled', 'ready', 'queued', 'running')"
ONE_THREAD: Final = os.environ | {"OMP_THREAD_LIMIT": "1"}


def results(size: Size) -> Iterator[dict[str, Any]]:
    """Measure every kind of page."""
    with TemporaryDirectory() as folder, whole_stack() as stack:
        keys = [stack.make_tenant(f"load-{number}", "standard") for number in range(TENANTS)]
        lift_quota(stack)
        for name, kind in corpus.KINDS.items():
            count = size.of(quick=8, full=PAGES[kind])
            paths = corpus.write(Path(folder), kind, count)
            docmill(stack, keys, paths[: 2 * cores()])
            file = ocrmypdf.joined(paths, Path(folder) / f"{kind.__name__}.pdf")
            load = _Load(stack, keys, paths, Many(file, len(paths)))
            yield _comparison(name, load, FLOORS[kind]).measure(size.rounds(quick=1, full=5))


@dataclass(frozen=True, slots=True)
class Many:
    """One PDF of many pages."""

    path: Path
    pages: int


@dataclass(frozen=True, slots=True)
class _Load:
    """The same pages one by one and in one document, and who sends them where."""

    stack: Stack
    keys: Sequence[str]
    paths: Sequence[Path]
    many: Many

    def one_by_one(self, outputs: str = EVERYTHING) -> Sample:
        return docmill(self.stack, self.keys, self.paths, outputs)

    def at_once(self) -> Sample:
        sample = docmill(self.stack, self.keys[:1], [self.many.path], PRINTED)
        return replace(sample, units=self.many.pages)


def _comparison(name: str, load: _Load, floor: float) -> Comparison:
    arms = [
        Arm("tesseract CLI, one a core", lambda: cli(load.paths)),
        Arm(OURS, lambda: load.one_by_one(PRINTED)),
        Arm(f"{OURS}, words and thumbnails too", load.one_by_one),
        Arm(AT_ONCE, load.at_once),
        Arm(BARE, lambda: engines(load.paths)),
    ]
    goals = [
        goal
        for arm in (OURS, AT_ONCE)
        for goal in (
            Goal(arm=arm, figure="ratio.median", least=floor),
            Goal(arm=arm, figure="per_second.median", beside=BARE, least=BARE_FLOOR),
        )
    ]
    if program := ocrmypdf.program():
        arms += [Arm(OCRMYPDF, lambda: by_ocrmypdf(program, load.many))]
        goals += [
            Goal(arm=AT_ONCE, figure="per_second.median", beside=OCRMYPDF, least=OCRMYPDF_FLOOR)
        ]
    return Comparison(
        name=f"whole stack: {name}",
        unit="page",
        warm=False,  # it takes minutes
        arms=arms,
        goals=goals,
        note=f"{load.many.pages} pages, as documents of {TENANTS} tenants and as one. "
        "The CLI makes text, hOCR and PDF, as docmill does; the bare engine text and boxes; "
        "OCRmyPDF, of the one file, text and a plain PDF.",
    )


def docmill(
    stack: Stack, keys: Sequence[str], paths: Sequence[Path], outputs: str = EVERYTHING
) -> Sample:
    """Send the pages in turn from each tenant, until the last is ready and nothing is left to do.

    The time ends with the last `ready`; the processor time includes thumbnails made later.
    """
    senders = [(key, paths[index :: len(keys)], outputs) for index, key in enumerate(keys)]
    with inspector(stack) as inspect:
        before, own = processor.of_stack(stack), processor.here()
        began = time.perf_counter()
        with ThreadPoolExecutor(len(keys)) as pool:
            sent = list(pool.map(lambda each: _upload(stack, *each), senders))
        until(lambda: not inspect.count(LIVE), within=3600, every=0.1)
        took = time.perf_counter() - began
        until(lambda: not inspect.count(OPEN), within=600, every=0.1)
        shares = processor.between(before, processor.of_stack(stack))
        shares["client"] = processor.here() - own
        inspect.assert_each_ended_once([each for some in sent for each in some])
    return Sample(units=len(paths), seconds=took, cpu=sum(shares.values()), shares=shares)


def _upload(stack: Stack, key: str, paths: Sequence[Path], outputs: str) -> list[str]:
    with caller(stack, key) as client:
        # a name of its own each time, or the idempotency key would give the last round's answer
        return [
            client.upload(path.read_bytes(), f"{time.monotonic_ns()}-{path.name}", outputs=outputs)
            for path in paths
        ]


def cli(paths: Sequence[Path]) -> Sample:
    """Run the tesseract program over all files, as many at once as there are cores."""
    command = ["tesseract", "@", "@", "-l", "eng", "txt", "hocr", "pdf"]
    return timed(
        lambda: _each(["xargs", "-P", str(cores()), "-I@", *command], paths), processor.here
    )


def engines(paths: Sequence[Path]) -> Sample:
    """Run a loop around a loaded engine in one process a core; text and boxes, no other output."""
    command = ["xargs", "-P", str(cores()), "-n", str(-(-len(paths) // cores()))]
    loop = [sys.executable, "-m", "loadtests.bench.bare"]
    return timed(lambda: _each([*command, *loop], paths), processor.here)


def by_ocrmypdf(program: str, many: Many) -> Sample:
    """Run OCRmyPDF once over the file, with what makes it fastest.

    Version 17.13 took 6.0 s for 8 pages with `sandwich`, 6.5 s without, 6.4 s with threads, 6.8 s
    with Ghostscript.
    """
    with TemporaryDirectory() as folder:
        flags = ["--output-type", "pdf", "--optimize", "0", "--pdf-renderer", "sandwich"]
        flags += ["--jobs", str(cores()), "-l", "eng", "--sidecar", f"{folder}/text.txt"]

        def run() -> float:
            _run([program, *flags, str(many.path), f"{folder}/out.pdf"])
            return many.pages

        return timed(run, processor.here)


def lift_quota(stack: Stack) -> None:
    """Let every tenant upload and keep as much as a bench does."""
    with inspector(stack) as inspect:
        inspect.rows(
            "UPDATE tenant SET max_storage_bytes = 1000000000000, max_file_bytes = 1000000000,"
            " max_pages = 1000 RETURNING id"
        )


def _each(command: Sequence[str], paths: Sequence[Path]) -> float:
    _run(command, "\n".join(str(path) for path in paths))
    return len(paths)


def _run(command: Sequence[str], told: str = "") -> None:
    subprocess.run(
        command, check=True, input=told, text=True, stderr=subprocess.DEVNULL, env=ONE_THREAD
    )
