"""A sandboxed child with a service's stages, as its worker would start it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from shutil import copyfile
from tempfile import mkdtemp
from typing import Any, Final

from docmill.domain.document import Options
from docmill.domain.task import Stage
from docmill.ports import go_on
from docmill.testing.children import Keeper, keeper
from docmill.work.folder import ChildFolder
from docmill.work.process import ChildProcess
from docmill.work.stage import Job, StageResult, StageWork
from docmill_ocr import tessdata
from docmill_ocr.stages import STAGES as OCR
from docmill_thumbnailer.stages import STAGES as THUMBNAILER
from docmill_validator.stages import STAGES as VALIDATOR
from loadtests.bench import processor

MEMORY: Final = 1536 * 2**20
LIMITS: Final = {"max_pages": 1000, "max_pixels": 600_000_000}
LIMIT: Final = timedelta(minutes=5)
MODULES: Final = {
    Stage.VALIDATE: "docmill_validator.stages",
    Stage.RECOGNISE: "docmill_ocr.stages",
    Stage.ASSEMBLE: "docmill_ocr.stages",
    Stage.THUMBNAIL: "docmill_thumbnailer.stages",
}
WORKS: Final[Mapping[Stage, type[StageWork]]] = {**VALIDATOR, **OCR, **THUMBNAILER}


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What a stage is to do with a file, before it is known where."""

    stage: Stage
    original: Path
    page: int = 0
    plan: Mapping[str, Any] | None = None
    pages: Mapping[int, Path] = field(default_factory=dict)
    options: Options = field(default_factory=Options)

    def job(self, scratch: Path) -> Job:
        return Job(
            stage=self.stage,
            page=self.page,
            options=self.options,
            original=self.original,
            name=self.original.name,
            pages=self.pages,
            plan=self.plan,
            scratch=scratch,
            limits=LIMITS,
        )


class Inside:
    """The stages called in this process: nothing between them and the caller."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._works: dict[Stage, StageWork] = {}

    def run(self, order: Order) -> StageResult:
        scratch = Path(mkdtemp(dir=self._folder))
        if order.stage not in self._works:
            self._works[order.stage] = WORKS[order.stage]({})
            self._works[order.stage].warm()
        return self._works[order.stage].run(order.job(scratch))


@dataclass
class Apart:
    """The stages in a warm child."""

    keeper: Keeper
    process: ChildProcess

    def run(self, order: Order) -> StageResult:
        """Give it the files and have it done; what it made is removed with the next job."""
        folder = self.process.folder
        folder.clear()
        given = replace(
            order,
            original=self._give(order.original, folder, "original"),
            pages={
                number: self._give(path, folder, f"page-{number}")
                for number, path in order.pages.items()
            },
        )
        job = given.job(folder.fresh_scratch())
        return self.process.run(job, within=LIMIT, check=go_on)

    def cpu(self) -> float:
        """Seconds of the processor, of the child and of us."""
        return processor.with_process(self.process.pid)()

    def _give(self, path: Path, folder: ChildFolder, name: str) -> Path:
        target = folder.inputs / name
        copyfile(path, target)
        self.keeper.access.readable(target)
        return target


@contextmanager
def apart(stage: Stage) -> Iterator[Apart]:
    """Start a child that knows the stage, warm."""
    models = tessdata.find("")
    settings = {"DOCMILL_OCR_ENGINE": "tesserocr", "DOCMILL_TESSDATA": str(models)}
    changes: dict[str, Any] = {"stages": MODULES[stage], "memory": MEMORY, "readable": [models]}
    limits = {"file_size": 512 * 2**20, "scratch_size": 1024 * 2**20}
    with keeper() as made:
        child = made.child(settings=settings, **changes, **limits)
        child.ready()
        yield Apart(made, child)
