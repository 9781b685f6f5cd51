"""The OCR worker's settings."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from docmill.work.settings import ChildSettings, cores


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
        description="Reads pages again that went badly; needs the extra `rapidocr` of docmill-ocr.",
    )
    tessdata: Path | None = Field(
        None,
        description="Folder of the language models; unset, where the distribution puts it.",
    )
