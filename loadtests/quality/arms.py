"""The ways to read a page that are compared."""

import resource
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from PIL import Image

from docmill.adapters import sniff
from docmill.adapters.image import DEFAULT_MAX_PIXELS
from docmill.domain.document import DEFAULT_LANGUAGE
from docmill.domain.plan import Source
from docmill.domain.words import PageText, Word
from docmill_ocr import page_image
from docmill_ocr.engine import Engine, Recogniser
from docmill_ocr.engines import chosen, second
from docmill_ocr.page_image import View
from docmill_ocr.reading import Reader
from loadtests import ocrmypdf
from loadtests.bench.stack import ONE_THREAD

LANGUAGES: Final = (DEFAULT_LANGUAGE,)
BARE: Final = "tesseract"
PLAIN: Final = "one pass"
OURS: Final = "docmill"
OCRMYPDF: Final = "ocrmypdf"


@dataclass(frozen=True, slots=True)
class Read:
    """The text of one page and what it cost."""

    text: str
    seconds: float  # of processor time


class Arm(Protocol):
    """One way to read a page of a file."""

    def read(self, path: Path, page: int) -> Read:
        """Return the page's text."""


def warm_engine(settings: Mapping[str, str]) -> Engine:
    """Return the first engine that settings ask for, loaded."""
    engine = chosen(settings)
    engine.warm(LANGUAGES)
    return engine


def available(extra: Mapping[str, str]) -> dict[str, Arm]:
    """Return the arms that can run here, ours last; `extra` goes to our engines."""
    engine = warm_engine(extra)
    arms: dict[str, Arm] = {BARE: Bare(), PLAIN: Plain(engine), OURS: Ours(engine, second(extra))}
    program = ocrmypdf.program()
    return arms | ({OCRMYPDF: OcrMyPdf(program)} if program else {})


def _view(path: Path, page: int) -> View:
    return page_image.load(path, sniff.media_type(path), page, DEFAULT_MAX_PIXELS).view


def _text(words: tuple[Word, ...]) -> str:
    page = PageText(
        number=1, width=1, height=1, unit="px", source=Source.RECOGNISE, words=words, engine=""
    )
    return page.text


@dataclass(frozen=True)
class Plain:
    """One pass of our engine over the page as it is: what our processor time is measured by."""

    engine: Engine

    def read(self, path: Path, page: int) -> Read:
        view = _view(path, page)
        began = time.process_time()
        words = self.engine.recognise(view.pixels, LANGUAGES, view.dpi)
        return Read(_text(tuple(words)), time.process_time() - began)


@dataclass(frozen=True)
class Ours:
    """The page as the OCR worker reads it."""

    engine: Engine
    second: Recogniser | None = None

    def read(self, path: Path, page: int) -> Read:
        view = _view(path, page)
        began = time.process_time()
        reading = Reader(self.engine, LANGUAGES, self.second).read(view)
        return Read(_text(tuple(reading.words)), time.process_time() - began)


class Bare:
    """The distribution's tesseract with its usual layout analysis (psm 3)."""

    def read(self, path: Path, page: int) -> Read:
        with _picture(path, page) as (picture, dpi):
            resolution = ["--dpi", str(dpi)] if dpi else []
            command = ["tesseract", str(picture), "stdout", "--psm", "3", *resolution]
            done, seconds = _timed(command)
        return Read(done, seconds)


@dataclass(frozen=True)
class OcrMyPdf:
    """OCRmyPDF with what it has against bad scans."""

    program: str

    def read(self, path: Path, page: int) -> Read:
        with _picture(path, page) as (picture, dpi):
            text = picture.with_suffix(".txt")
            options = ["--deskew", "--rotate-pages", "--clean", "--output-type", "pdf"]
            options += ["--jobs", "1", "--image-dpi", str(dpi or 200), "--sidecar", str(text)]
            target = str(picture.with_suffix(".pdf"))
            _, seconds = _timed([self.program, *options, str(picture), target])
            return Read(text.read_text(), seconds)


@contextmanager
def _picture(path: Path, page: int) -> Iterator[tuple[Path, int]]:
    """Write the page's pixels to a file for programs that read one."""
    view = _view(path, page)
    with tempfile.TemporaryDirectory() as folder:
        picture = Path(folder) / "page.png"
        Image.fromarray(view.pixels).save(picture, dpi=(view.dpi or 200,) * 2)
        yield picture, view.dpi


def _timed(command: list[str]) -> tuple[str, float]:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, capture_output=True, check=True, text=True, env=ONE_THREAD)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return done.stdout, spent
