"""The OCR service's stages."""

from collections.abc import Mapping
from typing import Final

from docmill.domain.task import Stage
from docmill.work.stage import StageWork
from docmill_ocr.assemble import Assemble
from docmill_ocr.recognise import Recognise

STAGES: Final[Mapping[Stage, type[StageWork]]] = {
    Stage.RECOGNISE: Recognise,
    Stage.ASSEMBLE: Assemble,
}
