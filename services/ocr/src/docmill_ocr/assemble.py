"""The assemble stage: the outputs of the whole document from its pages."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Final

from docmill.adapters import sniff
from docmill.adapters.image import DEFAULT_MAX_PIXELS
from docmill.adapters.pdf_layers import Layers
from docmill.domain.document import ArtifactKind, Output
from docmill.domain.plan import GARBAGE_TEXT_LAYER, OCR_LAYER, Plan, Source
from docmill.domain.rendering import (
    HOCR_TYPE,
    JSON_TYPE,
    PAGE_BREAK,
    TEXT_TYPE,
    hocr_document,
    plain,
    read_page,
    words_document,
)
from docmill.domain.words import PageText
from docmill.work.stage import Job, Made, StageResult
from docmill_ocr import mixed, searchable

ENGINE: Final = "docmill assemble 5"  # raised when the same pages would give other bytes
_OUTDATED: Final = frozenset({OCR_LAYER, GARBAGE_TEXT_LAYER})  # where the page was recognised


class Assemble:
    """Reads one page at a time, so that a long document takes no more memory than a short one."""

    def __init__(self, settings: Mapping[str, str]) -> None:
        """Need no setting."""

    engine = ENGINE

    def warm(self) -> None:
        """Need nothing."""

    def run(self, job: Job) -> StageResult:
        """Make the text and what else was asked for; pages that failed are left out."""
        assert job.plan is not None  # noqa: S101  # the runtime gives it to every stage but validate
        book = Book(job, Plan.from_json(job.plan))
        made = [maker(book) for output, maker in _MAKERS if _wanted(job, output)]
        return StageResult(made=made, engine=ENGINE, facts={})


@dataclass
class Book:
    """The pages of a document as read, one in memory at a time."""

    job: Job
    plan: Plan
    # The last one: with a single page there is no other.
    _open: PageText | None = field(default=None, init=False)

    @cached_property
    def _layers(self) -> Layers:
        return Layers(self.job.original)

    def has(self, number: int) -> bool:
        """Whether the page was read; it may have failed."""
        return number in self.job.pages

    def read(self, number: int) -> PageText:
        if self._open is None or self._open.number != number:
            self._open = read_page(self.job.pages[number].read_bytes())
        return self._open

    def pages(self) -> Iterator[PageText]:
        return (self.read(page.number) for page in self.plan.pages if self.has(page.number))

    def added(self, number: int) -> PageText:
        """Return a page with the words that its file does not have already."""
        page = self.read(number)
        if page.source is not Source.MIXED:
            return page
        return mixed.added(page, mixed.own_words(self.job.original, number, self._layers))


Maker = Callable[[Book], Made]


def _wanted(job: Job, output: Output | None) -> bool:
    return output is None or output in job.options.outputs


def _text(book: Book) -> Made:
    return _written(book.job, ArtifactKind.TEXT, "text.txt", TEXT_TYPE, _texts(book))


def _texts(book: Book) -> Iterator[str]:
    for index, page in enumerate(book.plan.pages):
        yield PAGE_BREAK if index else ""
        yield plain(book.read(page.number)) if book.has(page.number) else ""


def _words(book: Book) -> Made:
    parts = words_document(book.pages())
    return _written(book.job, ArtifactKind.WORDS, "words.json", JSON_TYPE, parts)


def _hocr(book: Book) -> Made:
    parts = hocr_document(book.pages())
    return _written(book.job, ArtifactKind.HOCR, "hocr.html", HOCR_TYPE, parts)


def _pdf(book: Book) -> Made:
    target = book.job.scratch / "searchable.pdf"
    source = _pdf_source(book.job, book.plan)
    read = [
        page.number
        for page in book.plan.pages
        if book.has(page.number) and page.source is not Source.TEXT
    ]
    outdated = {page.number for page in book.plan.pages if page.reason in _OUTDATED}
    ours = source != book.job.original
    searchable.write(source, read, book.added, target, outdated=outdated, archive=ours)
    return Made(kind=ArtifactKind.PDF, page=0, path=target, media_type=sniff.PDF)


def _pdf_source(job: Job, plan: Plan) -> Path:
    if plan.media_type == sniff.PDF:
        return job.original
    target = job.scratch / "pictures.pdf"
    budget = job.limits.get("max_pixels", DEFAULT_MAX_PIXELS)
    from docmill_ocr import picture_pdf  # noqa: PLC0415  # 7 MB that a PDF does not need

    picture_pdf.write(job.original, plan.media_type, target, budget)
    return target


def _written(
    job: Job, kind: ArtifactKind, name: str, media_type: str, parts: Iterable[str]
) -> Made:
    path = job.scratch / name
    with path.open("w", encoding="utf-8", newline="") as file:
        file.writelines(parts)
    return Made(kind=kind, page=0, path=path, media_type=media_type)


_MAKERS: Final[tuple[tuple[Output | None, Maker], ...]] = (
    (None, _text),
    (Output.WORDS, _words),
    (Output.HOCR, _hocr),
    (Output.PDF, _pdf),
)
