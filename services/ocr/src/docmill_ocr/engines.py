"""The choice of the engine, and of another one for a second reading."""

from collections.abc import Callable, Mapping
from importlib.util import find_spec
from typing import Final

from docmill_ocr import tessdata
from docmill_ocr.engine import Engine, Recogniser
from docmill_ocr.rapidocr_engine import RapidocrEngine

DEFAULT: Final = "tesserocr"
RAPIDOCR: Final = "rapidocr"


class UnknownEngine(ValueError):
    """A setting names no engine, or one that is not installed."""


def chosen(settings: Mapping[str, str]) -> Engine:
    """Return the engine that DOCMILL_OCR_ENGINE names; only its library is loaded."""
    name = settings.get("DOCMILL_OCR_ENGINE") or DEFAULT
    if name not in _MAKERS:
        raise UnknownEngine(f"{name!r}; there are {', '.join(_MAKERS)}")
    return _MAKERS[name](settings.get("DOCMILL_TESSDATA", ""))


def second(settings: Mapping[str, str]) -> Recogniser | None:
    """Return the engine that DOCMILL_OCR_SECOND_ENGINE names, if any; it is loaded when needed."""
    name = settings.get("DOCMILL_OCR_SECOND_ENGINE")
    if not name:
        return None
    if name != RAPIDOCR or not find_spec(RAPIDOCR):
        raise UnknownEngine(f"{name!r} as the second; there is {RAPIDOCR}, an extra to install")
    return RapidocrEngine()


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
