"""A page as ALTO 4: what libraries and archives keep beside a scan."""

from collections.abc import Iterable, Sequence
from typing import Final
from xml.etree import ElementTree as ET

from docmill.domain.rendering import by_level
from docmill.domain.words import PageText, Word

ALTO_TYPE: Final = "application/xml; charset=utf-8"
NAMESPACE: Final = "http://www.loc.gov/standards/alto/ns-v4#"

_HEAD: Final = '<?xml version="1.0" encoding="UTF-8"?>\n'
_UNITS: Final = {"px": ("pixel", 1.0), "pt": ("inch1200", 1200 / 72)}


def alto(page: PageText) -> bytes:
    """Return one ALTO document for a page, in pixels, or 1/1200 inch where it is in points.

    A block is a ComposedBlock, a paragraph in it a TextBlock.
    """
    unit, scale = _UNITS[page.unit]
    root = ET.Element("alto", xmlns=NAMESPACE, SCHEMAVERSION="4.4")
    _describe(ET.SubElement(root, "Description"), unit, page.engine)
    number, size = str(page.number), _size(page.width * scale, page.height * scale)
    sheet = ET.SubElement(ET.SubElement(root, "Layout"), "Page", {"ID": f"page_{number}", **size})
    sheet.set("PHYSICAL_IMG_NR", number)
    if page.confidence is not None:
        sheet.set("PC", f"{page.confidence / 100:.3f}")
    space = ET.SubElement(sheet, "PrintSpace", {"HPOS": "0", "VPOS": "0", **size})
    for block, words in by_level(page.words, "block"):
        _add_block(space, f"{number}_{block}", words, scale)
    ET.indent(root, " ")
    return f"{_HEAD}{ET.tostring(root, encoding='unicode')}\n".encode()


def _describe(parent: ET.Element, unit: str, engine: str) -> None:
    ET.SubElement(parent, "MeasurementUnit").text = unit
    step = ET.SubElement(parent, "Processing", ID="reading")
    ET.SubElement(step, "processingStepDescription").text = engine
    ET.SubElement(ET.SubElement(step, "processingSoftware"), "softwareName").text = "docmill"


def _add_block(parent: ET.Element, name: str, words: Sequence[Word], scale: float) -> None:
    block = ET.SubElement(parent, "ComposedBlock", _place(f"block_{name}", words, scale))
    for paragraph, inside in by_level(words, "paragraph"):
        part = f"{name}_{paragraph}"
        text = ET.SubElement(block, "TextBlock", _place(f"par_{part}", inside, scale))
        for line, found in by_level(inside, "line"):
            _add_line(text, f"line_{part}_{line}", found, scale)


def _add_line(parent: ET.Element, name: str, words: Sequence[Word], scale: float) -> None:
    line = ET.SubElement(parent, "TextLine", _place(name, words, scale))
    for index, word in enumerate(words):
        if index:
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
