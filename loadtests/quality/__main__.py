"""How well pages are read: CER, words, order and processor time, beside bare programs.

    python -m loadtests.quality [--part "held out"] [--each 6] [--samples ../shared/samples]

Generated pages in fixed states of decay (docmill.testing.specimen) and, where their folder is
there, scans with known text are read by the distribution's tesseract, by one plain pass of our
engine, by docmill and, where it is installed, by OCRmyPDF, page by page in turn.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import cv2
from PIL import Image

from docmill.testing.scoring import scored
from docmill.testing.specimen import CLEAN, Part, specimens
from loadtests import ocrmypdf
from loadtests.bench.report import machine
from loadtests.quality.arms import BARE, OURS, PLAIN, Arm, available
from loadtests.quality.table import (
    ALL_DEGRADED,
    Means,
    Result,
    as_json,
    markdown,
    means,
    put_into,
    together,
)

SAMPLES: Final = {  # by file, the pages read and the text that is on each
    "linn.png": (1, "linn.txt"),
    "skew.pdf": (1, "linn.txt"),
    "cardinal.pdf": (4, "linn.txt"),
    "phototest.tif": (1, "phototest.gold.txt"),
    "phototest-rotated-180.png": (1, "phototest.gold.txt"),
}
REPORT: Final = Path("docs/reference/reading.md")
MOST_CER: Final = 0.03
HARD: Final = (0.25, 0.35)  # bare tesseract's mean CER on pages that are neither easy nor hopeless
MOST_WORSE: Final = 0.002  # than one plain pass and than bare, on any kind and on any scan
MOST_APART: Final = 0.02  # the same page upright, askew and turned
MOST_CPU: Final = 1.3  # of one plain pass over clean pages


def main() -> int:
    asked = _arguments()
    cv2.setNumThreads(1)
    os.environ["OMP_THREAD_LIMIT"] = "1"
    arms = available({"DOCMILL_OCR_SECOND_ENGINE": asked.second})
    generated = list(_generated(arms, Part(asked.part), asked.each))
    real = list(_real(arms, asked.samples)) if asked.samples.is_dir() else []
    kinds, scans = means(generated) | together(generated), means(real)
    report = _report(kinds, scans, asked)
    print(report)
    if asked.json:
        asked.json.write_text(json.dumps(as_json(kinds | scans), indent=1) + "\n")
    if asked.write:
        REPORT.write_text(put_into(REPORT.read_text(), report))
    missed = list(verdict(kinds, scans))
    print("\n".join(missed) or "every target is met")
    return bool(missed)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="loadtests.quality")
    parser.add_argument("--part", choices=list(Part), default=Part.HELD_OUT)
    parser.add_argument("--each", type=int, default=6, help="pages of every kind")
    parser.add_argument("--samples", type=Path, default=Path("../shared/samples"))
    parser.add_argument("--second", default="", help="engine for the second reading of bad pages")
    parser.add_argument("--json", type=Path, help="where to write all figures")
    parser.add_argument("--write", action="store_true", help=f"put the tables into {REPORT}")
    return parser.parse_args()


def _generated(arms: Mapping[str, Arm], part: Part, each: int) -> Iterator[Result]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "page.png"
        for made in specimens(part, each):
            Image.fromarray(made.pixels).save(path, dpi=(made.dpi, made.dpi))
            yield from _read(arms, made.kind, path, 1, made.text)


def _real(arms: Mapping[str, Arm], folder: Path) -> Iterator[Result]:
    for name, (pages, gold) in SAMPLES.items():
        wanted = (folder / gold).read_text()
        for page in range(1, pages + 1):
            group = name if pages == 1 else f"{name} {page}"
            yield from _read(arms, group, folder / name, page, wanted)


def _read(
    arms: Mapping[str, Arm], group: str, path: Path, page: int, wanted: str
) -> Iterator[Result]:
    for arm, way in arms.items():
        read = way.read(path, page)
        score = scored(read.text, wanted)
        yield Result(group=group, page=path.name, arm=arm, score=score, seconds=read.seconds)


def _report(kinds: Means, scans: Means, asked: argparse.Namespace) -> str:
    about = (
        f"The {asked.part} set, {asked.each} pages of each kind; one thread on {machine()};"
        f" {', '.join(_versions())}.\n"
    )
    parts = ["", about, markdown(kinds, kinds[CLEAN][PLAIN].seconds)]
    parts += ["Scans with known text:\n", markdown(scans)] if scans else []
    return "\n".join(parts)


def _versions() -> Iterator[str]:
    """What the programs say of themselves in their first line."""
    for name, program in (("", "tesseract"), ("OCRmyPDF ", ocrmypdf.program())):
        if program:
            told = subprocess.run(
                [program, "--version"], capture_output=True, check=True, text=True
            )
            yield name + told.stdout.partition("\n")[0]


def verdict(kinds: Means, scans: Means) -> Iterator[str]:
    """Tell every target that is missed."""
    for name, by_arm in (kinds | scans).items():
        for arm in (BARE, PLAIN):
            if by_arm[OURS].cer > by_arm[arm].cer + MOST_WORSE:
                yield f"{name}: {by_arm[OURS].cer:.4f} is worse than {arm}"
    degraded = kinds[ALL_DEGRADED]
    if degraded[OURS].cer > MOST_CER:
        yield f"mean CER {degraded[OURS].cer:.4f} is over {MOST_CER}"
    if not HARD[0] <= degraded[BARE].cer <= HARD[1]:
        yield f"the pages are not what they should be: {BARE} has {degraded[BARE].cer:.4f}"
    cpu = degraded[OURS].seconds / kinds[CLEAN][PLAIN].seconds
    if cpu > MOST_CPU:
        yield f"processor time {cpu:.2f} of one clean pass is over {MOST_CPU}"
    yield from _apart(scans)


def _apart(scans: Means) -> Iterator[str]:
    """Tell when the variants of one page are read too differently."""
    gold = {name: text for name, (_, text) in SAMPLES.items()}
    rates = defaultdict(list)
    for name, by_arm in scans.items():
        rates[gold[name.partition(" ")[0]]].append(by_arm[OURS].cer)
    for text, cers in rates.items():
        if max(cers) - min(cers) > MOST_APART:
            yield f"variants of {text}: {min(cers):.4f} to {max(cers):.4f} is too far apart"


if __name__ == "__main__":
    sys.exit(main())
