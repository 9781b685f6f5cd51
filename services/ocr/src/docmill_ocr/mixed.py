"""Pages with text of their own and pictures: the text as it is, and what OCR finds beside it."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np

from docmill.adapters import pdf, pdf_text
from docmill.adapters.image import Pixels
from docmill.adapters.pdf_layers import Layers
from docmill.domain.rendering import by_level
from docmill.domain.words import PageText, Word, mean_confidence
from docmill.domain.writing import Box
from docmill_ocr.page_image import View

_SURE: Final = 60.0  # mean confidence of a block; what engines see in photographs has 20 to 50

Block = Sequence[Word]


def own_words(path: Path, number: int, layers: Layers) -> tuple[Word, ...]:
    """Return the words of a PDF page's text layer."""
    with pdf.opened(path) as document, pdf.page(document, number) as sheet:
        return pdf_text.read(document, sheet, layers).words


def without(view: View, words: Sequence[Word]) -> View:
    """Return the view with each word under a patch of what is around it: it is known already.

    The view is one that no step has changed yet: its axes are the page's.
    """
    pixels = view.pixels.copy()
    across, down = view.to_page[0, 0], view.to_page[1, 1]
    for word in words:
        left, top = int(word.box[0] / across), int(word.box[1] / down)
        right, bottom = int(np.ceil(word.box[2] / across)), int(np.ceil(word.box[3] / down))
        _patch(pixels, max(left - 1, 0), max(top - 1, 0), right + 1, bottom + 1)
    return view.showing(pixels)


def _patch(pixels: Pixels, left: int, top: int, right: int, bottom: int) -> None:
    part = pixels[top:bottom, left:right]
    if part.size:
        edges = (part[0], part[-1], part[:, 0], part[:, -1])
        part[:] = np.median(np.concatenate(edges))


def merged(own: Sequence[Word], found: Sequence[Word]) -> tuple[Word, ...]:
    """Put the blocks that OCR found between those of the page's own text, by their places.

    Beside text, those that it is unsure of are left out: photographs are full of them. Where it
    found more than the page says itself, the page is a scan with a stamp, and all is kept.
    """
    blocks = [words for _, words in by_level(own, "block")]
    scan = _letters(found) > _letters(own)
    for _, block in by_level(found, "block"):
        if scan or mean_confidence(block) >= _SURE:
            blocks.insert(_place(_around(block), [_around(each) for each in blocks]), block)
    return tuple(_numbered(blocks))


def _letters(words: Sequence[Word]) -> int:
    return sum(len(word.text) for word in words)


def _around(block: Block) -> Box:
    lefts, tops, rights, bottoms = zip(*(word.box for word in block), strict=True)
    return min(lefts), min(tops), max(rights), max(bottoms)


def _place(box: Box, others: Sequence[Box]) -> int:
    """Return where a block is read: before what is below it in its column, else after it."""
    middle = (box[1] + box[3]) / 2
    column = [
        (at, o[1] >= middle) for at, o in enumerate(others) if o[0] < box[2] and box[0] < o[2]
    ]
    above = max((at + 1 for at, below in column if not below), default=len(others))
    return min((at for at, below in column if below), default=above)


def _numbered(blocks: Sequence[Block]) -> Iterator[Word]:
    paragraph = line = -1
    for number, block in enumerate(blocks):
        before = None
        for word in block:
            paragraph += before is None or word.paragraph != before.paragraph
            line += before is None or word.line != before.line
            yield replace(word, block=number, paragraph=paragraph, line=line)
            before = word


def added(page: PageText, own: Sequence[Word]) -> PageText:
    """Return the page with only those words that its file does not have."""
    known = {(word.text, word.box) for word in own}
    return replace(page, words=tuple(w for w in page.words if (w.text, w.box) not in known))
