"""The searchable PDF: the document as it is, with invisible text on the recognised pages."""

import shutil
import zlib
from collections.abc import Callable, Container, Iterable, Sequence
from copy import copy
from itertools import count
from pathlib import Path
from typing import Final

import pikepdf
from pikepdf import Dictionary, Name, Page, Pdf, Stream

from docmill.adapters import pdf
from docmill.domain.words import PageText
from docmill_ocr import archival, glyphless, layered, unseen
from docmill_ocr.glyphless import Alphabet

_FONT: Final = "/DocmillText"

ReadPage = Callable[[int], PageText]


def write(
    source: Path,
    numbers: Sequence[int],
    read: ReadPage,
    target: Path,
    *,
    outdated: Container[int] = (),
    archive: bool = False,
) -> None:
    """Write the PDF with text on the pages of these numbers; the others stay as they are.

    Pages are read one at a time, twice. Where there is no text to add, and where the file is too
    odd to be rewritten, it is kept byte for byte. On outdated pages their words take the place of
    text that nobody sees. A file of our own making may be written for the archive.
    """
    alphabet = Alphabet.of(_texts(numbers, read))
    if alphabet.empty and not archive:
        shutil.copyfile(source, target)
        return
    try:
        with Pdf.open(source) as document:
            settings = archival.prepared(document) if archive else {}
            _add_layers(document, source, numbers, read, alphabet, outdated)
            document.save(target, **{"deterministic_id": True, **settings})
    except pikepdf.PikepdfError:
        shutil.copyfile(source, target)


def _add_layers(
    document: Pdf,
    source: Path,
    numbers: Sequence[int],
    read: ReadPage,
    alphabet: Alphabet,
    outdated: Container[int],
) -> None:
    font = glyphless.embedded(document, alphabet)
    with pdf.opened(source) as drawn:
        for number in numbers:
            words = read(number)
            if not words.words:
                continue
            page = _page(document, number)
            if number in outdated:
                unseen.take_out(document, page)
            name = _lent(page, font)
            with pdf.page(drawn, number) as sheet:
                content = layered.layer(words, pdf.shown(sheet), sheet.get_size(), alphabet, name)
            _prepend(document, page, content)


def _texts(numbers: Iterable[int], read: ReadPage) -> Iterable[str]:
    return (word.text for number in numbers for word in read(number).words)


def _page(document: Pdf, number: int) -> Page:
    """Return a page whose resources are its own; raise PdfError where qpdf finds none."""
    try:
        page = document.pages[number - 1]
        # They may be shared with pages that want nothing of ours, or inherited.
        page.obj.Resources = copy(page.resources)
    except (IndexError, TypeError) as error:
        raise pikepdf.PdfError(f"page {number}: {error}") from error
    return page


def _lent(page: Page, font: pikepdf.Object) -> str:
    """Give the page our font; return its name, which no other font has: not that of another run."""
    fonts = unseen.named(page.resources, Name.Font)
    names = (f"{_FONT}{number}" for number in count(1))
    name = next(each for each in names if each not in fonts)
    page.resources.Font = Dictionary({**fonts, name: font})
    return name


def _prepend(document: Pdf, page: Page, content: bytes) -> None:
    """Put the text before the page's own content, whose graphics state may be left in any way."""
    # Packed at once: a thousand pages wait in memory until the document is saved.
    packed = Stream(document, zlib.compress(content), Filter=Name.FlateDecode)
    page.contents_add(packed, prepend=True)
