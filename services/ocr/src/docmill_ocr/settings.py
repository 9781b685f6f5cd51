"""The OCR worker's settings."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from docmill.work.settings import ChildSettings


class OcrSettings(ChildSettings):
    """A worker with children, and the choice of what they read with."""

    ocr_engine: Literal["tesserocr", "pytesseract"] = Field(
        "tesserocr",
        description="tesserocr keeps its models loaded; pytesseract starts a program a page.",
    )
    tessdata: Path | None = Field(
        None,
        description="Folder of the language models; unset, where the distribution puts it.",
    )
