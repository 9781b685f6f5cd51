"""The port to an OCR engine, in our words."""

from collections.abc import Sequence
from typing import Final, Protocol

from docmill.adapters.image import Pixels
from docmill.domain.words import Word

SMALLEST: Final = 10  # pixels; tesseract fails or complains below, and no letter is that small
SURE: Final = 2.0  # of the orientation's confidence; real text gives 5 and more


class Recogniser(Protocol):
    """Reads upright pictures of pages. One instance serves one thread."""

    @property
    def name(self) -> str:
        """Its name and version, the same as long as it reads the same."""

    @property
    def languages(self) -> tuple[str, ...]:
        """The installed languages, sorted."""

    def model(self, language: str) -> str:
        """Return the version of what it reads a language with. Raise UnknownLanguage."""

    def warm(self, languages: Sequence[str]) -> None:
        """Load what `recognise` needs for these languages; twice is safe."""

    def recognise(
        self, pixels: Pixels, languages: Sequence[str], dpi: int, *, one_block: bool = False
    ) -> list[Word]:
        """Return the words of a grayscale picture in reading order, boxes in its pixels.

        `dpi` is 0 when unknown; `one_block` says that the picture is lines under one another, among
        which nothing else need be looked for. A picture without text gives no words. The same
        picture gives the same words, whatever was read before. Raise UnknownLanguage.
        """


class Engine(Recogniser, Protocol):
    """Also tells how pages lie and what they are written in."""

    def upright(self, pixels: Pixels) -> int:
        """Return by how many degrees clockwise to turn the picture to have its text upright.

        0, 90, 180 or 270; 0 also where there is too little text to tell.
        """

    def script(self, pixels: Pixels) -> str:
        """Return tesseract's name of the script that most of the text is in, however it is turned.

        Empty where there is too little text to tell. It costs as much as reading a page
        of a few lines.
        """
