"""Tesseract as the program that the distribution installs, started once per page."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import pytesseract
from PIL import Image
from pytesseract import Output, TesseractError

from docmill.adapters.image import Pixels
from docmill.domain.words import Word
from docmill_ocr import tessdata, tsv
from docmill_ocr.engine import SMALLEST, SURE

_QUIET: Final = "-c debug_file=/dev/null"


class PytesseractEngine:
    """Slower by the start of a program, and independent of the library's build."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._version = str(pytesseract.get_tesseract_version())

    @property
    def name(self) -> str:
        return f"pytesseract {self._version}"

    @property
    def languages(self) -> tuple[str, ...]:
        return tessdata.installed(self._folder)

    def model(self, language: str) -> str:
        return tessdata.digest(self._folder, language)

    def warm(self, languages: Sequence[str]) -> None:
        tessdata.joined(languages, self.languages)  # a program keeps nothing warm

    def recognise(
        self, pixels: Pixels, languages: Sequence[str], dpi: int, *, one_block: bool = False
    ) -> list[Word]:
        lang = tessdata.joined(languages, self.languages)
        if min(pixels.shape) < SMALLEST:
            return []
        picture = Image.fromarray(pixels)
        return tsv.words(
            pytesseract.image_to_data(
                picture,
                lang=lang,
                config=self._options(6 if one_block else 3, dpi),
                output_type=Output.STRING,
            )
        )

    def upright(self, pixels: Pixels) -> int:
        found = self._looks(pixels)
        if not found or found["orientation_conf"] < SURE:
            return 0
        return int(found["rotate"])

    def script(self, pixels: Pixels) -> str:
        found = self._looks(pixels)
        return str(found["script"]) if found else ""

    def _looks(self, pixels: Pixels) -> dict[str, Any] | None:
        """Return how the page lies and in which script it is; None where that cannot be told."""
        if not tessdata.tells_orientation(self._folder) or min(pixels.shape) < SMALLEST:
            return None
        try:
            found: dict[str, Any] = pytesseract.image_to_osd(
                Image.fromarray(pixels), config=self._options(0, 0), output_type=Output.DICT
            )
        except TesseractError:  # 5.3.0 fails on "Too few characters"
            return None
        return found

    def _options(self, mode: int, dpi: int) -> str:
        resolution = f" --dpi {dpi}" if dpi else ""
        return f'--tessdata-dir "{self._folder}" --psm {mode} {_QUIET}{resolution}'
