"""The reading stages run on a file, one after another, without ledger, store or child."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from docmill.domain.document import ArtifactKind, Options
from docmill.domain.plan import Plan, PlannedPage, Source
from docmill.domain.rendering import read_page
from docmill.domain.task import Stage
from docmill.domain.words import PageText
from docmill.work.stage import Job, Made, StageResult, StageWork
from docmill_ocr.assemble import Assemble
from docmill_ocr.recognise import Recognise
from docmill_thumbnailer.stages import Thumbnail
from docmill_validator.stages import Validate

LIMITS: Final = {"max_pages": 100, "max_pixels": 600_000_000}


@dataclass
class Mill:
    """Runs stages; `recogniser` is shared, for loading its model takes a while."""

    folder: Path
    recogniser: Recognise
    limits: Mapping[str, int] = field(default_factory=lambda: LIMITS)

    def file(self, content: bytes, name: str = "document") -> Path:
        path = self.folder / f"{uuid4().hex}-{name}"
        path.write_bytes(content)
        return path

    def run(self, work: StageWork, path: Path, stage: Stage, **parts: Any) -> StageResult:
        scratch = self.folder / uuid4().hex
        scratch.mkdir()
        known: dict[str, Any] = {"page": 0, "options": Options(), "pages": {}, "plan": None} | parts
        job = Job(
            stage=stage,
            original=path,
            name=path.name,
            scratch=scratch,
            limits=self.limits,
            **known,
        )
        return work.run(job)

    def validate(self, path: Path, options: Options | None = None) -> StageResult:
        return self.run(Validate({}), path, Stage.VALIDATE, options=options or Options())

    def recognise(self, path: Path, plan: Plan, page: int, options: Options) -> StageResult:
        parts = {"page": page, "plan": plan.as_json(), "options": options}
        return self.run(self.recogniser, path, Stage.RECOGNISE, **parts)

    def read(self, path: Path, options: Options | None = None) -> "Read":
        """Validate and recognise all pages."""
        options = options or Options()
        validated = self.validate(path, options)
        plan = Plan.from_json(json.loads(json.dumps(validated.facts["plan"])))
        pages = {made.page: made.path for made in validated.made if made.page}
        for page in plan.pages:
            if page.source is not Source.TEXT:
                made = self.recognise(path, plan, page.number, options).made
                pages[page.number] = made[0].path
        return Read(path, plan, pages, options)

    def assemble(self, read: "Read") -> Mapping[ArtifactKind, Made]:
        parts = {"plan": read.plan.as_json(), "pages": read.files, "options": read.options}
        result = self.run(Assemble({}), read.path, Stage.ASSEMBLE, **parts)
        return {made.kind: made for made in result.made}

    def thumbnails(self, path: Path) -> list[Made]:
        plan = self.validate(path).facts["plan"]
        return list(self.run(Thumbnail({}), path, Stage.THUMBNAIL, plan=plan).made)


@dataclass(frozen=True)
class Read:
    """A document whose pages have been read."""

    path: Path
    plan: Plan
    files: Mapping[int, Path]
    options: Options

    def page(self, number: int = 1) -> PageText:
        return read_page(self.files[number].read_bytes())

    @property
    def text(self) -> str:
        return "\n".join(self.page(number).text for number in sorted(self.files))


def overlap(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    """Return the share of two boxes' union that both cover."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    if width <= 0 or height <= 0:
        return 0.0
    areas = ((box[2] - box[0]) * (box[3] - box[1]) for box in (one, other))
    return width * height / (sum(areas) - width * height)


def picture_plan(media_type: str) -> Plan:
    """Return the plan of a one-page picture that the validator never saw."""
    page = PlannedPage(
        number=1, source=Source.RECOGNISE, reason="image", width=1, height=1, unit="px"
    )
    return Plan(media_type=media_type, total_pages=1, pages=(page,))
