"""Reading pages whose languages the caller left open, each by the script it seems to be in."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from docmill_ocr import script
from docmill_ocr.engine import Engine, Recogniser
from docmill_ocr.page_image import View
from docmill_ocr.preparation import Mended
from docmill_ocr.reading import Reader, Reading, better


@dataclass(frozen=True, slots=True)
class AutoReader:
    """Reads views with one engine; of the languages named, those for a page's script come first."""

    engine: Engine
    named: Sequence[str]
    second: Recogniser | None = None

    def read(self, view: View) -> Reading:
        """Return the best reading; what was told wrongly is read as if nothing had been told."""
        mended = Mended.of(view)
        if not mended:
            return self._reader("").blank(view)
        told = self.engine.script(mended.fitted(dense=True).view.pixels)
        reading = self._reader(told).read_mended(mended)
        if reading.doubt and self._packs(told) != self._packs(""):
            reading = better(reading, self._reader("").read_mended(mended))
        return replace(reading, script=told)

    def _reader(self, told: str) -> Reader:
        return Reader(self.engine, self._packs(told), self.second)

    def _packs(self, told: str) -> tuple[str, ...]:
        return script.packs(told, self.named, self.engine.languages)
