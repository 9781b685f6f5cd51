"""The assemble stage: the outputs of the whole document from its pages."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Final

from docmill.adapters import sniff
from docmill.adapters.image import DEFAULT_MAX_PIXELS
from docmill.domain.document import ArtifactKind, Output
from docmill.domain.plan import Plan, Source
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
from docmill.work.stage import Job, Made, Outcome
from docmill_ocr import mixed, searchable

ENGINE: Final = "docmill assemble 2"  # raised when the same pages would give other bytes


class Assemble:
    """Reads one page at a time, so that a long document takes no more memory than a short one."""

    def __init__(self, settings: Mapping[str, str]) -> None:
        """Need no setting."""

    engine = ENGINE

    def warm(self) -> None:
        """Need nothing."""

    def run(self, job: Job) -> Outcome:
        """Make the text and what else was asked for; pages that failed are left out."""
        assert job.plan is not None  # noqa: S101  # the runtime gives it to every stage but validate
        plan = Plan.from_json(job.plan)
        made = [maker(job, plan) for output, maker in _MAKERS if _wanted(job, output)]
        return Outcome(made=made, engine=ENGINE, facts={})


Maker = Callable[[Job, Plan], Made]


def _wanted(job: Job, output: Output | None) -> bool:
    return output is None or output in job.options.outputs


def _read(job: Job, number: int) -> PageText:
    return read_page(job.pages[number].read_bytes())


def _pages(job: Job, plan: Plan) -> Iterator[PageText]:
    return (_read(job, page.number) for page in plan.pages if page.number in job.pages)


def _text(job: Job, plan: Plan) -> Made:
    return _written(job, ArtifactKind.TEXT, "text.txt", TEXT_TYPE, _texts(job, plan))


def _texts(job: Job, plan: Plan) -> Iterator[str]:
    for index, page in enumerate(plan.pages):
        yield PAGE_BREAK if index else ""
        yield plain(_read(job, page.number)) if page.number in job.pages else ""


def _words(job: Job, plan: Plan) -> Made:
    parts = words_document(_pages(job, plan))
    return _written(job, ArtifactKind.WORDS, "words.json", JSON_TYPE, parts)


def _hocr(job: Job, plan: Plan) -> Made:
    parts = hocr_document(_pages(job, plan))
    return _written(job, ArtifactKind.HOCR, "hocr.html", HOCR_TYPE, parts)


def _pdf(job: Job, plan: Plan) -> Made:
    target = job.scratch / "searchable.pdf"
    source = _pdf_source(job, plan)
    read = [
        page.number
        for page in plan.pages
        if page.number in job.pages and page.source is not Source.TEXT
    ]
    ours = source != job.original
    searchable.write(source, read, partial(_added, job), target, archive=ours)
    return Made(kind=ArtifactKind.PDF, page=0, path=target, media_type=sniff.PDF)


def _added(job: Job, number: int) -> PageText:
    """Return a page with the words that its file does not have already."""
    page = _read(job, number)
    if page.source is not Source.MIXED:
        return page
    return mixed.added(page, mixed.own_words(job.original, number))


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
