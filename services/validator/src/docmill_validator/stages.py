"""The validator's one stage: what the file is, whether it can be read, and how, page by page."""

from collections.abc import Mapping
from typing import Final

from docmill.adapters import sniff
from docmill.domain.document import ArtifactKind
from docmill.domain.plan import Plan
from docmill.domain.rendering import JSON_TYPE, page_json
from docmill.domain.task import Stage
from docmill.domain.words import PageText
from docmill.work.stage import Job, Made, StageResult, StageWork
from docmill_validator.plan_image import plan_image
from docmill_validator.plan_pdf import PDFIUM, plan_pdf

# The number is raised when the same file would give another plan or other words of its own.
ENGINE: Final = f"docmill validate 1, {PDFIUM}"


class Validate:
    """Decides by the bytes alone, and takes the text of pages that carry their own."""

    def __init__(self, settings: Mapping[str, str]) -> None:
        """Need no setting."""

    engine = ENGINE

    def warm(self) -> None:
        """Need nothing: the imports were the slow part."""

    def run(self, job: Job) -> StageResult:
        plan, pages = _planned(job)
        made = [_kept(job, page) for page in pages]
        return StageResult(made=made, engine=ENGINE, facts={"plan": plan.as_json()})


def _planned(job: Job) -> tuple[Plan, list[PageText]]:
    media_type = sniff.media_type(job.original)
    if media_type == sniff.PDF:
        return plan_pdf(job.original, job.options, job.limits)
    return plan_image(job.original, media_type, job.options, job.limits)


def _kept(job: Job, page: PageText) -> Made:
    path = job.scratch / f"page-{page.number}.json"
    path.write_bytes(page_json(page))
    return Made(kind=ArtifactKind.PAGE, page=page.number, path=path, media_type=JSON_TYPE)


STAGES: Final[Mapping[Stage, type[StageWork]]] = {Stage.VALIDATE: Validate}
