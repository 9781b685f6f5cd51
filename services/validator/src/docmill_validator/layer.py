"""Whether a PDF page's own text may be taken for what a reader sees on it."""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from docmill.adapters.pdf import Contents
from docmill.adapters.pdf_text import Layer
from docmill.domain.document import Ocr
from docmill.domain.plan import GARBAGE_TEXT_LAYER, OCR_LAYER, Source
from docmill.domain.words import Word

TEXT_LAYER: Final = "text_layer"
EMPTY_PAGE: Final = "empty_page"
NO_TEXT_LAYER: Final = "no_text_layer"
THIN_TEXT_LAYER: Final = "thin_text_layer"
IMAGE_COVERS_PAGE: Final = "image_covers_page"
TEXT_AND_IMAGE: Final = "text_and_image"
IMAGE: Final = "image"  # the file is a picture

_SOURCES: Final = {Ocr.FORCE: Source.RECOGNISE, Ocr.FORBID: Source.TEXT}
_FULL_PAGE: Final = 0.85  # of the page under images: a scan, or a page on a picture
_VISIBLE_IMAGE: Final = 0.1  # a logo is smaller
_MANY_PATHS: Final = 20  # letters drawn as outlines come in tens
_FEW_CHARACTERS: Final = 20  # a page number and a running title
_STAMP_CHARACTERS: Final = 100

_UNMAPPED_SHARE: Final = 0.1
_ALPHANUMERIC_SHARE: Final = 0.55
_VOWEL_SHARE: Final = 0.22  # written languages have 0.35 to 0.5; shifted codes about 0.15
_ENOUGH_LETTERS: Final = 50
_LEADERS: Final = re.compile(r"[.\u00b7\u2026_\-=*]{3,}")
_BYTE_CODES: Final = ("cp1252", "latin-1")
_ENOUGH_MISCODED: Final = 3  # words
_LATIN_WORD: Final = re.compile(r"[a-z]{3,}")
_VOWELS: Final = frozenset("aeiouy")


@dataclass(frozen=True, slots=True)
class Verdict:
    """Where the page's text is to come from and, in a stable word, why."""

    source: Source
    reason: str


def judge(layer: Layer, contents: Contents, size: tuple[float, float]) -> Verdict:
    """Take the text layer when it is sound and says what the page shows; else recognise.

    Where it says only a part of that, and stands there for the reader to see, take both.
    """
    if contents.empty:
        return Verdict(Source.TEXT, EMPTY_PAGE)
    if not layer.words:
        return Verdict(Source.RECOGNISE, NO_TEXT_LAYER)
    if garbage(layer):
        return Verdict(Source.RECOGNISE, GARBAGE_TEXT_LAYER)
    return _complete(layer, contents, size)


def as_asked(verdict: Verdict, ocr: Ocr) -> Verdict:
    """Let the caller's word decide; the reason stays what the page was found to be."""
    return replace(verdict, source=_SOURCES.get(ocr, verdict.source))


def believed(layer: Layer, verdict: Verdict) -> Iterator[Word]:
    """Yield the words of a layer that is taken, those of garbage as what nobody is sure of."""
    doubtful = verdict.reason == GARBAGE_TEXT_LAYER
    return (replace(word, confidence=0.0) if doubtful else word for word in layer.words)


def _complete(layer: Layer, contents: Contents, size: tuple[float, float]) -> Verdict:
    share = image_share(contents, size)
    if contents.hidden * 2 > contents.texts:
        return _unseen(layer, share)
    if share >= _VISIBLE_IMAGE:
        return Verdict(Source.MIXED, TEXT_AND_IMAGE)
    if layer.characters < _FEW_CHARACTERS and contents.paths >= _MANY_PATHS:
        return Verdict(Source.MIXED, THIN_TEXT_LAYER)
    return Verdict(Source.TEXT, TEXT_LAYER)


def _unseen(layer: Layer, share: float) -> Verdict:
    """Judge text that nobody sees: of an earlier OCR, or left over from something else."""
    scan = share >= _FULL_PAGE
    if share < _VISIBLE_IMAGE or layer.characters >= _STAMP_CHARACTERS:
        return Verdict(Source.TEXT, OCR_LAYER if scan else TEXT_LAYER)
    return Verdict(Source.RECOGNISE, IMAGE_COVERS_PAGE if scan else THIN_TEXT_LAYER)


def image_share(contents: Contents, size: tuple[float, float]) -> float:
    """Return the share of the page under images, which strips of a scan cover together."""
    width, height = size
    covered = sum(
        max(0.0, min(right, width) - max(left, 0)) * max(0.0, min(bottom, height) - max(top, 0))
        for left, top, right, bottom in (picture.box for picture in contents.pictures)
    )
    return min(1.0, covered / max(width * height, 1.0))


def garbage(layer: Layer) -> bool:
    """Whether the codes of the layer plainly do not mean what they claim to.

    Characters without a meaning, a swarm of symbols, Latin words without vowels, as when a font's
    glyph numbers are taken for letters; or UTF-8 taken for a code of one byte a letter.
    """
    if layer.unmapped > _UNMAPPED_SHARE * max(layer.characters, 1):
        return True
    text = _LEADERS.sub("", "".join(word.text + " " for word in layer.words))
    return _symbols(text) or _voiceless(text) or _miscoded(text)


def _symbols(text: str) -> bool:
    visible = [letter for letter in text if not letter.isspace()]
    # Marks are parts of letters in Indic and other scripts.
    known = sum(letter.isalnum() or unicodedata.category(letter)[0] == "M" for letter in visible)
    return known < _ALPHANUMERIC_SHARE * len(visible)


def _voiceless(text: str) -> bool:
    plain = unicodedata.normalize("NFD", text.lower())
    words = _LATIN_WORD.findall("".join(c for c in plain if not unicodedata.combining(c)))
    letters = "".join(words)
    vowels = sum(letter in _VOWELS for letter in letters)
    return len(letters) >= _ENOUGH_LETTERS and vowels < _VOWEL_SHARE * len(letters)


def _miscoded(text: str) -> bool:
    foreign = [word for word in text.split() if not word.isascii()]
    miscoded = sum(any(_is_utf8(word, code) for code in _BYTE_CODES) for word in foreign)
    return miscoded >= _ENOUGH_MISCODED and miscoded * 2 > len(foreign)


def _is_utf8(text: str, code: str) -> bool:
    """Whether the bytes of a text in a code are UTF-8 of another: no word is that by chance."""
    try:
        return text.encode(code).decode() != text
    except UnicodeError:
        return False
