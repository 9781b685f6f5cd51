"""The page plan of a picture file: every page is recognised, unless the caller forbids it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from docmill.adapters import image
from docmill.domain.document import Ocr, Options
from docmill.domain.plan import Plan, PlannedPage, Source
from docmill.domain.words import PageText
from docmill_validator.asked import asked_pages
from docmill_validator.layer import IMAGE, Verdict, as_asked

NO_ENGINE: Final = "none"


def plan_image(
    path: Path, media_type: str, options: Options, limits: Mapping[str, int]
) -> tuple[Plan, list[PageText]]:
    """Check every page that was asked for; raise a Rejection. Return pages to leave unread too."""
    budget = limits.get("max_pixels", image.DEFAULT_MAX_PIXELS)
    with image.opened(path, media_type, budget) as picture:
        total = image.frame_count(picture)
        pages = []
        for number in asked_pages(total, options, limits):
            frame = image.frame(picture, number, budget)
            image.verify(picture)
            pages.append(_planned(frame, options.ocr(number)))
    plan = Plan(media_type=media_type, total_pages=total, pages=tuple(pages))
    return plan, [_unread(page) for page in pages if page.source is Source.TEXT]


def _planned(frame: image.Frame, ocr: Ocr) -> PlannedPage:
    verdict = as_asked(Verdict(Source.RECOGNISE, IMAGE), ocr)
    return PlannedPage(
        number=frame.number,
        source=verdict.source,
        reason=verdict.reason,
        width=float(frame.width),
        height=float(frame.height),
        unit="px",
    )


def _unread(page: PlannedPage) -> PageText:
    return PageText(
        number=page.number,
        width=page.width,
        height=page.height,
        unit=page.unit,
        source=page.source,
        words=(),
        engine=NO_ENGINE,
    )
