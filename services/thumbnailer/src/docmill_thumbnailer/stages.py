"""The thumbnailer's one stage: three sizes of the first page, the smallest of every page."""

from collections.abc import Iterator, Mapping
from typing import Final

import pypdfium2 as pdfium
from PIL import Image, features

from docmill.adapters.image import DEFAULT_MAX_PIXELS
from docmill.domain.document import ArtifactKind
from docmill.domain.plan import Plan, PlannedPage
from docmill.domain.rejection import CorruptFile, PageUnreadable, TooManyPixels
from docmill.domain.task import Stage
from docmill.work.stage import Job, Made, StageResult, StageWork
from docmill_thumbnailer import draw

WEBP: Final = "image/webp"
DRAWING: Final = "docmill thumbnail 1"  # raised when the same page would give another picture
# Largest first: each is drawn from the one before it.
SIDES: Final = {
    ArtifactKind.THUMBNAIL_LARGE: 1024,
    ArtifactKind.THUMBNAIL_MEDIUM: 400,
    ArtifactKind.THUMBNAIL_SMALL: 128,
}
_UNREADABLE: Final = (CorruptFile, PageUnreadable, TooManyPixels)


class Thumbnail:
    """Draws all pages of a run; a page that cannot be drawn is left out."""

    def __init__(self, settings: Mapping[str, str]) -> None:
        """Need no setting."""

    @property
    def engine(self) -> str:
        return f"{DRAWING}, pillow {features.version('pil')}, pdfium {pdfium.PDFIUM_INFO.build}"

    def warm(self) -> None:
        """Load Pillow's codecs."""
        Image.init()

    def run(self, job: Job) -> StageResult:
        """Raise PageUnreadable when not one page can be drawn."""
        assert job.plan is not None  # noqa: S101  # the runtime gives it to every stage but validate
        plan = Plan.from_json(job.plan)
        made: list[Made] = []
        failures: list[str] = []
        for index, page in enumerate(plan.pages):
            try:
                made += _drawn(job, plan.media_type, page, first=index == 0)
            except _UNREADABLE as exc:
                failures.append(f"page {page.number}: {exc}")
        if not made:
            raise PageUnreadable("; ".join(failures[:3]))
        return StageResult(made=made, engine=self.engine, facts={"failed": len(failures)})


def _drawn(job: Job, media_type: str, page: PlannedPage, *, first: bool) -> Iterator[Made]:
    """Yield the page's thumbnails; only the first page that was asked for has all three."""
    budget = job.limits.get("max_pixels", DEFAULT_MAX_PIXELS)
    kinds = list(SIDES) if first else [ArtifactKind.THUMBNAIL_SMALL]
    picture = draw.page(job.original, media_type, page.number, SIDES[kinds[0]], budget)
    for kind in kinds:
        picture = draw.fitted(picture, SIDES[kind])
        path = job.scratch / f"{kind}-{page.number}.webp"
        path.write_bytes(draw.webp(picture))
        yield Made(kind=kind, page=page.number, path=path, media_type=WEBP)


STAGES: Final[Mapping[Stage, type[StageWork]]] = {Stage.THUMBNAIL: Thumbnail}
