"""How well tables are read, beside one plain pass of our engine over the page as it is.

    python -m loadtests.quality.ruled [--part "held out"] [--each 10] [--dpi 300]

Drawn pages whose words are known, with rules around their cells (docmill.testing.ruled), as they
are and as scanners leave them. Word F1 counts words wherever they stand, CER row by row: of a table
without level rules either order is right.
"""

import argparse
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from typing import Final, NamedTuple

import cv2
import numpy as np

from docmill.testing.degradation import Pixels
from docmill.testing.ruled import Ruled, Rules, pages
from docmill.testing.scoring import error_rate, word_f1
from docmill.testing.specimen import Part
from docmill_ocr.engine import Engine
from docmill_ocr.page_image import View
from docmill_ocr.reading import Reader
from loadtests.quality.arms import LANGUAGES, warm_engine


class Pair(NamedTuple):
    """Word F1, character errors of the words row by row, and processor seconds of both ways."""

    plain: float
    ours: float
    plain_errors: float
    our_errors: float
    plain_seconds: float
    our_seconds: float


def _turned(degrees: float) -> Callable[[Pixels], Pixels]:
    def turned(pixels: Pixels) -> Pixels:
        height, width = pixels.shape
        turn = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1.0)
        made = cv2.warpAffine(pixels, turn, (width, height), borderValue=(250,))
        return np.asarray(made, np.uint8)

    return turned


def _noisy(pixels: Pixels) -> Pixels:
    soft = cv2.GaussianBlur(pixels, (0, 0), 1.0)
    grain = np.random.default_rng(1).normal(0, 6, pixels.shape)
    return np.clip(soft + grain, 0, 255).astype(np.uint8)


def _jpeg(pixels: Pixels) -> Pixels:
    packed = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 40])[1]
    return np.asarray(cv2.imdecode(packed, cv2.IMREAD_GRAYSCALE), np.uint8)


def _shaded(pixels: Pixels) -> Pixels:
    return (pixels * np.linspace(1, 0.65, pixels.shape[1])).astype(np.uint8)


STATES: Final[Mapping[str, Callable[[Pixels], Pixels]]] = {
    "clean": lambda pixels: pixels,
    "soft and grainy": _noisy,
    "jpeg": _jpeg,
    "shade": _shaded,
    "0.4° askew": _turned(0.4),
    "1.5° askew": _turned(1.5),
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="loadtests.quality.ruled")
    parser.add_argument("--part", default=Part.HELD_OUT, choices=list(Part))
    parser.add_argument("--each", type=int, default=10, help="pages of each kind of table")
    parser.add_argument("--dpi", type=int, default=300)
    asked = parser.parse_args()
    os.environ["OMP_THREAD_LIMIT"] = "1"
    part, each, dpi = Part(asked.part), asked.each, asked.dpi
    tables = [table for rules in Rules for table in pages(part, rules, each, dpi=dpi)]
    print("| tables | one pass: F1 | docmill: F1 | one pass: CER | docmill: CER | CPU ÷ one pass |")
    print("|---|---|---|---|---|---|")
    with ProcessPoolExecutor() as processes:
        for state in STATES:
            results = list(processes.map(_read, tables, [state] * len(tables)))
            for name, some in _rows(state, tables, results):
                print(_row(name, some))


def _rows(
    state: str, tables: Sequence[Ruled], results: Sequence[Pair]
) -> Iterator[tuple[str, Sequence[Pair]]]:
    yield state, results
    if state == "clean":
        for rules in Rules:
            pairs = zip(tables, results, strict=True)
            yield f"… {rules}", [each for table, each in pairs if table.rules is rules]


def _row(name: str, some: Sequence[Pair]) -> str:
    *scores, plain_seconds, our_seconds = (sum(each) for each in zip(*some, strict=True))
    cells = [f"{score / len(some):.3f}" for score in scores]
    return f"| {' | '.join([name, *cells, f'{our_seconds / plain_seconds:.2f}'])} |"


def _read(table: Ruled, state: str) -> Pair:
    cv2.setNumThreads(1)
    pixels = np.ascontiguousarray(STATES[state](table.pixels))
    view = View(pixels=pixels, to_page=np.eye(3)[:2], dpi=table.dpi)
    engine = _engine()
    began = time.process_time()
    plain = engine.recognise(pixels, LANGUAGES, table.dpi)
    middle = time.process_time()
    ours = Reader(engine, LANGUAGES).read(view).words
    ended = time.process_time()
    read = [[word.text for word in words] for words in (plain, ours)]
    plain_right, our_right = (word_f1(words, table.words) for words in read)
    printed = " ".join(table.words)
    plain_wrong, our_wrong = (error_rate(" ".join(words), printed) for words in read)
    seconds = middle - began, ended - middle
    return Pair(plain_right, our_right, plain_wrong, our_wrong, *seconds)


@cache
def _engine() -> Engine:
    return warm_engine({})


if __name__ == "__main__":
    main()
