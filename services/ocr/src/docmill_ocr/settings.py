"""The OCR worker's settings."""

from pathlib import Path
from typing import Final, Literal, Self

from pydantic import Field, model_validator

from docmill.ops.settings import variable
from docmill.work.settings import ChildSettings, cores

_SECOND_ENGINE_MB: Final = 1536  # RapidOCR takes 950 on an A4 page at 300 dpi


class OcrSettings(ChildSettings):
    """A worker with children, and the choice of what they read with."""

    slots: int = Field(
        default_factory=lambda: cores() + 1,
        ge=1,
        description="Pages at a time; by default one more than cores, to read while others store.",
    )
    ocr_engine: Literal["tesserocr", "pytesseract"] = Field(
        "tesserocr",
        description="tesserocr keeps its models loaded; pytesseract starts a program a page.",
    )
    ocr_second_engine: Literal["rapidocr"] | None = Field(
        None,
        description="Reads pages again that went badly; needs the extra `rapidocr` of docmill-ocr "
        "and `DOCMILL_CHILD_MEMORY_MB` of 1536 or more.",
    )
    tessdata: Path | None = Field(
        None,
        description="Folder of the language models; unset, where the distribution puts it.",
    )

    @model_validator(mode="after")
    def _room_for_two(self) -> Self:
        """A child that runs out of memory would be taken for one that its page has crashed."""
        if self.ocr_second_engine and self.child_memory_mb < _SECOND_ENGINE_MB:
            names = ("ocr_second_engine", "child_memory_mb")
            message = "{}: needs a {} of {} or more"
            raise ValueError(message.format(*map(variable, names), _SECOND_ENGINE_MB))
        return self
