"""The page plan of a PDF: per page, its own text or recognition."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pypdfium2 as pdfium

from docmill.adapters import pdf, pdf_text, sniff
from docmill.adapters.image import DEFAULT_MAX_PIXELS
from docmill.adapters.pdf_layers import Layers
from docmill.adapters.pdf_text import Layer
from docmill.domain.document import Options
from docmill.domain.plan import Plan, PlannedPage, Source
from docmill.domain.rejection import CorruptFile, PageUnreadable
from docmill.domain.words import PageText
from docmill_validator.asked import asked_pages
from docmill_validator.layer import Verdict, as_asked, believed, judge

PDFIUM: Final = f"pdfium {pdfium.PDFIUM_INFO.build}"
DAMAGED_PAGE: Final = "damaged_page"


@dataclass(frozen=True, slots=True)
class ReadPage:
    """A planned page, with its text where it comes from the file itself."""

    planned: PlannedPage
    text: PageText | None


def plan_pdf(
    path: Path, options: Options, limits: Mapping[str, int]
) -> tuple[Plan, list[PageText]]:
    """Return the plan and the text of the pages that need no recognition; raise a Rejection."""
    budget = limits.get("max_pixels", DEFAULT_MAX_PIXELS)
    with pdf.opened(path) as document:
        total = len(document)
        numbers = asked_pages(total, options, limits)
        read = list(_read(document, numbers, options, budget, Layers(path)))
    if all(page.planned.reason == DAMAGED_PAGE for page in read):
        raise CorruptFile("no page of it can be loaded")
    plan = Plan(media_type=sniff.PDF, total_pages=total, pages=tuple(page.planned for page in read))
    return plan, [page.text for page in read if page.text]


def _read(
    document: pdfium.PdfDocument,
    numbers: Sequence[int],
    options: Options,
    budget: int,
    layers: Layers,
) -> Iterator[ReadPage]:
    for number in numbers:
        try:
            with pdf.page(document, number) as sheet:
                found = pdf.contents(sheet)
                pdf.check_pictures(found, budget)
                layer = pdf_text.read(document, sheet, layers)
                verdict = as_asked(judge(layer, found, sheet.get_size()), options.ocr(number))
                yield _page(layer, verdict, number, sheet.get_size())
        except PageUnreadable:
            verdict = Verdict(Source.RECOGNISE, DAMAGED_PAGE)  # where that page alone fails
            yield ReadPage(_planned(number, verdict, (0.0, 0.0)), None)


def _page(layer: Layer, verdict: Verdict, number: int, size: tuple[float, float]) -> ReadPage:
    planned = _planned(number, verdict, size)
    if planned.source is not Source.TEXT:
        return ReadPage(planned, None)
    text = PageText(
        number=number,
        width=planned.width,
        height=planned.height,
        unit=planned.unit,
        source=Source.TEXT,
        words=tuple(believed(layer, verdict)),
        engine=PDFIUM,
    )
    return ReadPage(planned, text)


def _planned(number: int, verdict: Verdict, size: tuple[float, float]) -> PlannedPage:
    return PlannedPage(
        number=number,
        source=verdict.source,
        reason=verdict.reason,
        width=round(size[0], 2),
        height=round(size[1], 2),
        unit="pt",
    )
