"""One page at a time through each way to call the engine."""

import os
import subprocess
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytesseract
import tesserocr
from PIL import Image

from docmill.domain.task import Stage
from docmill_ocr import tessdata
from loadtests.bench import bare, corpus, processor
from loadtests.bench.child import Apart, Order, apart
from loadtests.bench.measure import Arm, Comparison, Goal, Sample, one_by_one
from loadtests.bench.size import Size
from loadtests.bench.stack import ONE_THREAD
from tests.stack.reading import picture_plan

EXTENSIONS = ("txt", "hocr", "pdf")


def results(size: Size) -> Iterator[dict[str, Any]]:
    """Measure every kind of page."""
    os.environ |= ONE_THREAD  # pytesseract hands on our environment
    with TemporaryDirectory() as folder, apart(Stage.RECOGNISE) as child:
        for name, kind in corpus.KINDS.items():
            paths = corpus.write(Path(folder), kind, size.of(quick=2, full=6))
            comparison = Comparison(
                name=f"engine: {name}",
                unit="page",
                arms=_arms(paths, child),
                goals=[Goal(arm="ours in the child", figure="cpu_ratio.median", least=1.35)],
                note="One page after another. CLI and pytesseract make text, hOCR and PDF; "
                "tesserocr text and word boxes; ours the stored page with its words.",
            )
            yield comparison.measure(size.rounds(quick=2, full=7))


def _arms(paths: Sequence[Path], child: Apart) -> list[Arm]:
    def arm(name: str, read: Callable[[Path], object], cpu: Callable[[], float]) -> Arm:
        return Arm(name, lambda: _sample(paths, read, cpu))

    warm = tesserocr.PyTessBaseAPI(path=str(tessdata.find("")), lang="eng", psm=tesserocr.PSM.AUTO)
    return [
        arm("tesseract CLI", _cli, processor.here),
        arm("pytesseract", _pytesseract, processor.here),
        arm("tesserocr, loaded for each page", _cold, processor.here),
        arm("tesserocr, kept loaded", lambda path: bare.read(warm, path.read_bytes()),
            processor.here),
        arm("ours in the child", lambda path: child.run(order(path)), child.cpu),
    ]  # fmt: skip


def order(path: Path) -> Order:
    """Have the one page of a picture recognised."""
    media_type = "image/jpeg" if path.read_bytes()[:2] == b"\xff\xd8" else "image/png"
    plan = picture_plan(media_type).as_json()
    return Order(stage=Stage.RECOGNISE, original=path, page=1, plan=plan)


def _sample(
    paths: Sequence[Path], read: Callable[[Path], object], cpu: Callable[[], float]
) -> Sample:
    return one_by_one([partial(read, path) for path in paths], cpu)


def _cli(path: Path) -> None:
    with TemporaryDirectory() as folder:
        subprocess.run(
            ["tesseract", str(path), f"{folder}/out", "-l", "eng", *EXTENSIONS],
            check=True,
            env=ONE_THREAD,
            stderr=subprocess.DEVNULL,
        )


def _pytesseract(path: Path) -> None:
    with Image.open(BytesIO(path.read_bytes())) as picture:
        pytesseract.run_and_get_multiple_output(picture, extensions=list(EXTENSIONS), lang="eng")


def _cold(path: Path) -> None:
    with tesserocr.PyTessBaseAPI(
        path=str(tessdata.find("")), lang="eng", psm=tesserocr.PSM.AUTO
    ) as api:
        bare.read(api, path.read_bytes())
