"""The page plan of a picture file: every page is recognised."""

from collections.abc import Mapping
from pathlib import Path

from docmill.adapters import image
from docmill.domain.document import Options
from docmill.domain.plan import Plan, PlannedPage, Source
from docmill_validator.asked import asked_pages

IMAGE = "image"


def plan_image(path: Path, media_type: str, options: Options, limits: Mapping[str, int]) -> Plan:
    """Check every page that was asked for; raise a Rejection."""
    budget = limits.get("max_pixels", image.DEFAULT_MAX_PIXELS)
    with image.opened(path, media_type, budget) as picture:
        total = image.frame_count(picture)
        pages = []
        for number in asked_pages(total, options, limits):
            frame = image.frame(picture, number, budget)
            image.verify(picture)
            pages.append(_planned(frame))
    return Plan(media_type=media_type, total_pages=total, pages=tuple(pages))


def _planned(frame: image.Frame) -> PlannedPage:
    return PlannedPage(
        number=frame.number,
        source=Source.RECOGNISE,
        reason=IMAGE,
        width=float(frame.width),
        height=float(frame.height),
        unit="px",
    )
