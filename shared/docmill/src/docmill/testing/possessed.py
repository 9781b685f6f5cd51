"""A real worker's stages, possessed: a page does first what the document's name asks for.

`DOCMILL_GOOD_STAGES` names the module of the stages; the behaviours are the cabinet's.
"""

import importlib
from collections.abc import Mapping
from functools import partial
from typing import Any

from docmill.domain.task import Stage
from docmill.testing.hostile import Hostile
from docmill.work.stage import Job, StageResult, StageWork


class Possessed:
    """Reads a page as the good stage does, unless a behaviour of the cabinet ends it before."""

    def __init__(self, stage: Stage, settings: Mapping[str, str]) -> None:
        stages: Any = importlib.import_module(settings["DOCMILL_GOOD_STAGES"])
        self._good: StageWork = stages.STAGES[stage](settings)
        self._cabinet = Hostile(settings)
        self.engine = self._good.engine

    def warm(self) -> None:
        self._good.warm()

    def run(self, job: Job) -> StageResult:
        name, _, argument = job.name.partition(" ")
        behaviour = getattr(self._cabinet, name, None)
        if behaviour is not None and job.stage is Stage.RECOGNISE:
            said = behaviour(job, argument)
            if said.startswith("allowed"):
                raise PermissionError(f"the sandbox allowed {job.name}")
        return self._good.run(job)


STAGES = {stage: partial(Possessed, stage) for stage in (Stage.RECOGNISE, Stage.ASSEMBLE)}
