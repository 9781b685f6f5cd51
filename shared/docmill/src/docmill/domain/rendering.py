"""The texts of pages as the files that callers get: JSON and hOCR, from the standard library."""

import json
from collections.abc import Iterable, Iterator
from html import escape
from itertools import groupby
from operator import attrgetter
from typing import Any, Final

from docmill.domain.words import PageText, Word

HOCR_TYPE: Final = "application/xhtml+xml; charset=utf-8"
TEXT_TYPE: Final = "text/plain; charset=utf-8"
JSON_TYPE: Final = "application/json"
PAGE_BREAK: Final = "\f"

_HOCR_DPI: Final = 300  # of pages measured in points, for hOCR knows only whole pixels
_HEAD: Final = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE html>
<html xmlns="http://www.w3.org/1999/xhtml">
<head>
<meta charset="utf-8"/>
<title></title>
<meta name="ocr-system" content="docmill"/>
<meta name="ocr-capabilities" content="ocr_page ocr_carea ocr_par ocr_line ocrx_word"/>
</head>
<body>
"""
_TAIL: Final = "</body>\n</html>\n"


def compact(value: Any) -> str:
    """Return JSON that is the same bytes for the same value."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def page_json(page: PageText) -> bytes:
    """Return the content of a PAGE artifact."""
    return compact(page.as_json()).encode()


def read_page(content: bytes) -> PageText:
    """Read what `page_json` wrote."""
    return PageText.from_json(json.loads(content))


def words_json(page: PageText) -> dict[str, Any]:
    """Return one page as callers see it: its geometry and its words as objects."""
    confidence = page.confidence
    return {
        "number": page.number,
        "width": page.width,
        "height": page.height,
        "unit": page.unit,
        "source": page.source.value,
        "engine": page.engine,
        "rotation": page.rotation,
        "script": page.script or None,
        "confidence": None if confidence is None else round(confidence, 1),
        "looks": [look.as_json() for look in page.looks],
        "words": [_word_json(word) for word in page.words],
    }


def _word_json(word: Word) -> dict[str, Any]:
    return {
        "text": word.text,
        "box": list(word.box),
        "confidence": word.confidence,
        "block": word.block,
        "paragraph": word.paragraph,
        "line": word.line,
    }


def words_document(pages: Iterable[PageText]) -> Iterator[str]:
    """Yield the parts of one JSON document for all pages."""
    yield '{"pages":['
    for index, page in enumerate(pages):
        yield ("," if index else "") + compact(words_json(page))
    yield "]}\n"


def plain(page: PageText) -> str:
    """Return the page's text, ended by a line break unless it is empty."""
    return page.text + "\n" if page.words else ""


def hocr(pages: Iterable[PageText]) -> str:
    """Return one hOCR document for the pages."""
    return "".join(hocr_document(pages))


def hocr_document(pages: Iterable[PageText]) -> Iterator[str]:
    """Yield the parts of one hOCR document for the pages."""
    yield _HEAD
    for page in pages:
        yield from _hocr_page(page)
    yield _TAIL


def _hocr_page(page: PageText) -> Iterator[str]:
    scale = _HOCR_DPI / 72 if page.unit == "pt" else 1.0
    scan = f"; scan_res {_HOCR_DPI} {_HOCR_DPI}" if page.unit == "pt" else ""
    title = _bbox((0, 0, page.width, page.height), scale)
    title += f"; ppageno {page.number - 1}{scan}"
    yield _opened("div", "ocr_page", f"page_{page.number}", title)
    for block, words in by_level(page.words, "block"):
        yield from _hocr_block(words, f"{page.number}_{block}", scale)
    yield "</div>\n"


def _hocr_block(words: list[Word], name: str, scale: float) -> Iterator[str]:
    yield _opened("div", "ocr_carea", f"block_{name}", _around(words, scale))
    for paragraph, inside in by_level(words, "paragraph"):
        yield _opened("p", "ocr_par", f"par_{name}_{paragraph}", _around(inside, scale))
        for line, found in by_level(inside, "line"):
            yield _opened("span", "ocr_line", f"line_{name}_{line}", _around(found, scale))
            yield from (_hocr_word(word, scale) for word in found)
            yield "</span>\n"
        yield "</p>\n"
    yield "</div>\n"


def _hocr_word(word: Word, scale: float) -> str:
    title = f"{_bbox(word.box, scale)}; x_wconf {round(word.confidence)}"
    return f'<span class="ocrx_word" title="{title}">{escape(word.text)}</span>\n'


def _opened(tag: str, kind: str, name: str, title: str) -> str:
    return f'<{tag} class="{kind}" id="{name}" title="{title}">\n'


def _around(words: list[Word], scale: float) -> str:
    boxes = list(zip(*(word.box for word in words), strict=True))
    return _bbox((min(boxes[0]), min(boxes[1]), max(boxes[2]), max(boxes[3])), scale)


def _bbox(box: tuple[float, float, float, float], scale: float) -> str:
    return "bbox " + " ".join(str(round(side * scale)) for side in box)


def by_level(words: Iterable[Word], level: str) -> Iterator[tuple[int, list[Word]]]:
    """Yield the number and the words of each block, paragraph or line."""
    return ((number, list(group)) for number, group in groupby(words, key=attrgetter(level)))
