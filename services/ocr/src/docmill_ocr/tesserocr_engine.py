"""Tesseract as a library that stays loaded: no program to start, no model to load, per page."""

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import tesserocr

from docmill.adapters.image import Pixels
from docmill.domain.words import Word
from docmill.domain.writing import cleaned, has_leftward
from docmill_ocr import tessdata, tsv
from docmill_ocr.engine import SMALLEST, SURE

_KEPT: Final = 3  # sets of languages, of 10 to 40 MB each
_RIL: Final = tesserocr.RIL
_GROUPS: Final = (_RIL.BLOCK, _RIL.PARA, _RIL.TEXTLINE)


class TesserocrEngine:
    """One loaded API per set of languages, the last few kept."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._loaded: OrderedDict[str, Any] = OrderedDict()
        self._models: dict[str, str] = {}  # as they were when they were loaded
        self._version = tesserocr.tesseract_version().split()[1]

    @property
    def name(self) -> str:
        return f"tesserocr {self._version}"

    @property
    def languages(self) -> tuple[str, ...]:
        return tessdata.installed(self._folder)

    @property
    def loaded(self) -> int:
        """How many sets of languages are in memory."""
        return len(self._loaded)

    def model(self, language: str) -> str:
        return self._models.get(language) or tessdata.digest(self._folder, language)

    def warm(self, languages: Sequence[str]) -> None:
        self._api(tessdata.joined(languages, self.languages), tesserocr.PSM.AUTO)

    def recognise(
        self, pixels: Pixels, languages: Sequence[str], dpi: int, *, one_block: bool = False
    ) -> list[Word]:
        api = self._api(tessdata.joined(languages, self.languages), tesserocr.PSM.AUTO)
        if min(pixels.shape) < SMALLEST:
            return []
        api.SetPageSegMode(tesserocr.PSM.SINGLE_BLOCK if one_block else tesserocr.PSM.AUTO)
        _show(api, pixels, dpi)
        try:
            if not api.Recognize():
                raise RuntimeError("tesseract gave up on the page")
            return found(api)
        finally:
            api.Clear()  # the page's memory, not the model

    def upright(self, pixels: Pixels) -> int:
        found = self._looks(pixels)
        if not found or found["orient_conf"] < SURE:
            return 0
        return int(360 - found["orient_deg"]) % 360

    def script(self, pixels: Pixels) -> str:
        found = self._looks(pixels)
        return str(found["script_name"]) if found else ""

    def _looks(self, pixels: Pixels) -> dict[str, Any] | None:
        """Return how the page lies and in which script it is; None where that cannot be told."""
        if not tessdata.tells_orientation(self._folder) or min(pixels.shape) < SMALLEST:
            return None
        api = self._api(tessdata.ORIENTATION, tesserocr.PSM.OSD_ONLY)
        _show(api, pixels, 0)
        found: dict[str, Any] | None = api.DetectOrientationScript()
        api.Clear()
        return found

    def _api(self, languages: str, mode: int) -> Any:
        if languages not in self._loaded:
            self._loaded[languages] = self._opened(languages, mode)
            while len(self._loaded) > _KEPT:
                self._loaded.popitem(last=False)[1].End()
        self._loaded.move_to_end(languages)
        return self._loaded[languages]

    def _opened(self, languages: str, mode: int) -> Any:
        api = tesserocr.PyTessBaseAPI(path=str(self._folder), lang=languages, psm=mode)
        api.SetVariable("debug_file", "/dev/null")  # it chats about resolutions and scripts
        for language in {*languages.split("+")} - {tessdata.ORIENTATION}:
            self._models[language] = tessdata.digest(self._folder, language)
        return api


def _show(api: Any, pixels: Pixels, dpi: int) -> None:
    height, width = pixels.shape
    api.SetImageBytes(pixels.tobytes(), width, height, 1, width)
    if dpi:
        api.SetSourceResolution(dpi)


def found(api: Any) -> list[Word]:
    """Return the words of the table, from the iterator where that costs half and says the same.

    The iterator spells words that run to the left backwards.
    """
    words = list(_words(api.GetIterator()))
    leftward = any(has_leftward(word.text) for word in words)
    return tsv.words(api.GetTSVText(0)) if leftward else words


def _words(iterator: Any) -> Iterator[Word]:
    numbers = [-1, -1, -1]
    begun: set[int] = set()
    for at in tesserocr.iterate_level(iterator, _RIL.WORD) if iterator else ():
        if at.IsAtBeginningOf(_RIL.TEXTLINE):
            begun |= {index for index, level in enumerate(_GROUPS) if at.IsAtBeginningOf(level)}
        if at.Empty(_RIL.WORD) or not (text := _text(at)):
            continue
        for index in begun:  # only now: what holds no word is not counted
            numbers[index] += 1
        begun.clear()
        left, top, right, bottom = map(float, at.BoundingBox(_RIL.WORD))
        confidence = round(at.Confidence(_RIL.WORD), 1)
        yield Word(text, (left, top, right, bottom), confidence, *numbers)


def _text(at: Any) -> str:
    return cleaned("".join(at.GetUTF8Text(_RIL.WORD).split()))
