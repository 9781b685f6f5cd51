"""The choice between the two engines."""

from collections.abc import Callable, Mapping
from typing import Final

from docmill_ocr import tessdata
from docmill_ocr.engine import Engine

DEFAULT: Final = "tesserocr"


class UnknownEngine(ValueError):
    """DOCMILL_OCR_ENGINE names no engine."""


def chosen(settings: Mapping[str, str]) -> Engine:
    """Return the engine that DOCMILL_OCR_ENGINE names; only its library is loaded."""
    name = settings.get("DOCMILL_OCR_ENGINE") or DEFAULT
    if name not in _MAKERS:
        raise UnknownEngine(f"{name!r}; there are {', '.join(_MAKERS)}")
    return _MAKERS[name](settings.get("DOCMILL_TESSDATA", ""))


def _tesserocr(folder: str) -> Engine:
    from docmill_ocr.tesserocr_engine import TesserocrEngine  # noqa: PLC0415  # 30 MB

    return TesserocrEngine(tessdata.find(folder))


def _pytesseract(folder: str) -> Engine:
    from docmill_ocr.pytesseract_engine import PytesseractEngine  # noqa: PLC0415  # needs a program

    return PytesseractEngine(tessdata.find(folder))


_MAKERS: Final[Mapping[str, Callable[[str], Engine]]] = {
    DEFAULT: _tesserocr,
    "pytesseract": _pytesseract,
}
