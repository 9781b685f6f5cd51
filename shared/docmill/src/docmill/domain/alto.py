"""Pages as ALTO 4: what libraries and archives keep beside a scan."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Final
from xml.etree import ElementTree as ET

from docmill.domain.rendering import by_level
from docmill.domain.words import PageText, Word
from docmill.domain.writing import between, right_to_left

ALTO_TYPE: Final = "application/xml; charset=utf-8"
NAMESPACE: Final = "http://www.loc.gov/standards/alto/ns-v4#"

_HEAD: Final = f"""<?xml version="1.0" encoding="UTF-8"?>
<alto xmlns="{NAMESPACE}" SCHEMAVERSION="4.4">
"""
_TAIL: Final = " </Layout>\n</alto>\n"
_UNITS: Final = {"px": ("pixel", 1.0), "pt": ("inch1200", 1200 / 72)}


def alto(page: PageText) -> bytes:
    """Return one ALTO document for a page."""
    return "".join(alto_document([page], page.unit, [page.engine])).encode()


def alto_document(pages: Iterable[PageText], unit: str, engines: Sequence[str]) -> Iterator[str]:
    """Yield the parts of one ALTO document for pages of one unit that these engines read.

    In pixels, or 1/1200 inch for points. A block is a ComposedBlock, a paragraph in it a TextBlock.
    """
    steps = {engine: f"engine_{number}" for number, engine in enumerate(engines, 1)}
    name, scale = _UNITS[unit]
    yield _HEAD
    yield _written(_description(name, steps))
    yield " <Layout>\n"
    for page in pages:
        yield _written(_page(page, scale, steps.get(page.engine)), level=2)
    yield _TAIL


def _written(element: ET.Element, level: int = 1) -> str:
    ET.indent(element, " ", level)
    return f"{' ' * level}{ET.tostring(element, encoding='unicode')}\n"


def _description(unit: str, steps: Mapping[str, str]) -> ET.Element:
    made = ET.Element("Description")
    ET.SubElement(made, "MeasurementUnit").text = unit
    for engine, name in steps.items():
        step = ET.SubElement(made, "Processing", ID=name)
        ET.SubElement(step, "processingStepDescription").text = engine
        ET.SubElement(ET.SubElement(step, "processingSoftware"), "softwareName").text = "docmill"
    return made


def _page(page: PageText, scale: float, step: str | None) -> ET.Element:
    number, size = str(page.number), _size(page.width * scale, page.height * scale)
    sheet = ET.Element("Page", {"ID": f"page_{number}", **size, "PHYSICAL_IMG_NR": number})
    if step:
        sheet.set("PROCESSINGREFS", step)
    if page.confidence is not None:
        sheet.set("PC", f"{page.confidence / 100:.3f}")
    space = ET.SubElement(sheet, "PrintSpace", {"HPOS": "0", "VPOS": "0", **size})
    for block, words in by_level(page.words, "block"):
        _add_block(space, f"{number}_{block}", words, scale)
    return sheet


def _add_block(parent: ET.Element, name: str, words: Sequence[Word], scale: float) -> None:
    block = ET.SubElement(parent, "ComposedBlock", _place(f"block_{name}", words, scale))
    for paragraph, inside in by_level(words, "paragraph"):
        part = f"{name}_{paragraph}"
        text = ET.SubElement(block, "TextBlock", _place(f"par_{part}", inside, scale))
        for line, found in by_level(inside, "line"):
            _add_line(text, f"line_{part}_{line}", found, scale)


def _add_line(parent: ET.Element, name: str, words: Sequence[Word], scale: float) -> None:
    line = ET.SubElement(parent, "TextLine", _place(name, words, scale))
    if right_to_left("".join(word.text for word in words)):
        line.set("BASEDIRECTION", "rtl")
    for before, word in pairwise((None, *words)):
        assert word is not None  # noqa: S101  # only the first one of the chain is
        if before and between(before, word):
            ET.SubElement(line, "SP")
        string = ET.SubElement(line, "String", {"CONTENT": word.text, **_around([word], scale)})
        string.set("WC", f"{word.confidence / 100:.3f}")


def _place(name: str, words: Iterable[Word], scale: float) -> dict[str, str]:
    return {"ID": name, **_around(words, scale)}


def _around(words: Iterable[Word], scale: float) -> dict[str, str]:
    lefts, tops, rights, bottoms = zip(*(word.box for word in words), strict=True)
    left, top = min(lefts) * scale, min(tops) * scale
    size = _size(max(rights) * scale - left, max(bottoms) * scale - top)
    return {"HPOS": _number(left), "VPOS": _number(top), **size}


def _size(width: float, height: float) -> dict[str, str]:
    return {"WIDTH": _number(width), "HEIGHT": _number(height)}


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
