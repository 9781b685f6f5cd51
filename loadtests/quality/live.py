"""How well pages with live text are read when they are drawn, beside one plain pass of our engine.

    python -m loadtests.quality.live FOLDER [--pages 280] [--worst 10]

Any folder of PDF files will do, as the documentation of a distribution's packages. Pages are drawn
as for a caller who forces OCR, and compared with their own text: its order may be another and its
formulas unreadable, so that only the difference between the two readings tells anything.
"""

import argparse
import os
import random
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

import cv2
import pypdfium2 as pdfium

from docmill.adapters import pdf
from docmill.domain.rejection import PageUnreadable
from docmill.testing.scoring import scored
from docmill_ocr.engine import Engine
from loadtests.quality.arms import OURS, PLAIN, Arm, Ours, Plain, warm_engine
from loadtests.quality.table import Result, means

EACH: Final = 2  # pages of a file
LEAST: Final = 250  # characters of a page worth reading
ENGLISH: Final = 0.97  # of its characters are ASCII ...
PROSE: Final = 0.6  # ... and letters


class Page(NamedTuple):
    path: Path
    number: int


def main() -> None:
    parser = argparse.ArgumentParser(prog="loadtests.quality.live")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pages", type=int, default=280, help="at most")
    parser.add_argument("--worst", type=int, default=10, help="pages to name that lost most words")
    asked = parser.parse_args()
    os.environ["OMP_THREAD_LIMIT"] = "1"
    with ProcessPoolExecutor() as processes:
        pairs = list(processes.map(_read, _pages(asked.folder, asked.pages)))
    print("\n".join(_told(pairs)))
    for pair in sorted(pairs, key=_gain)[: asked.worst]:
        print(f"{_gain(pair):+.3f} of word F1: {pair[0].page}")


def _pages(folder: Path, most: int) -> Iterator[Page]:
    """Yield some pages of each file, the same ones each time."""
    draw = random.Random(1)
    files = sorted(folder.rglob("*.pdf"))
    draw.shuffle(files)
    found = 0
    for path in files:
        for number in _worth_reading(path, draw):
            yield Page(path, number)
            found += 1
            if found == most:
                return


def _worth_reading(path: Path, draw: random.Random) -> Sequence[int]:
    try:
        with pdfium.PdfDocument(path) as document:
            tried = draw.sample(range(1, len(document) + 1), min(len(document), 3 * EACH))
            return [number for number in tried if _is_prose(_text(document, number))][:EACH]
    except (pdfium.PdfiumError, PageUnreadable):  # made to be refused, or with a password
        return []


def _text(document: pdfium.PdfDocument, number: int) -> str:
    with pdf.page(document, number) as sheet:
        return str(sheet.get_textpage().get_text_bounded())


def _is_prose(text: str) -> bool:
    if len(text) < LEAST:
        return False
    plain, letters = sum(map(str.isascii, text)), sum(map(str.isalpha, text))
    return plain > ENGLISH * len(text) and letters > PROSE * len(text)


def _read(page: Page) -> tuple[Result, Result]:
    """Read a page both ways."""
    cv2.setNumThreads(1)
    with pdfium.PdfDocument(page.path) as document:
        wanted = _text(document, page.number)
    engine = _engine()
    plain, ours = Plain(engine), Ours(engine)
    return _result(page, PLAIN, plain, wanted), _result(page, OURS, ours, wanted)


@cache
def _engine() -> Engine:
    return warm_engine({})


def _result(page: Page, name: str, arm: Arm, wanted: str) -> Result:
    read = arm.read(page.path, page.number)
    score = scored(read.text, wanted)
    where = f"{page.path.name} {page.number}"
    return Result(group="live", page=where, arm=name, score=score, seconds=read.seconds)


def _gain(pair: tuple[Result, Result]) -> float:
    plain, ours = pair
    return ours.score.word_f1 - plain.score.word_f1


def _told(pairs: Sequence[tuple[Result, Result]]) -> Iterator[str]:
    yield f"{len(pairs)} pages: word F1, CER, order error, seconds of processor time"
    for arm, mean in means(result for pair in pairs for result in pair)["live"].items():
        words, order = f"{mean.word_f1:.4f}", f"{mean.order_error:.3f}"
        yield f"{arm:10} {words}  {mean.cer:.4f}  {order}  {mean.seconds:.3f}"


if __name__ == "__main__":
    main()
