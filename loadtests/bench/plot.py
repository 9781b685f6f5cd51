"""Bars and lines as SVG: so few shapes that no library is worth its weight."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from xml.etree.ElementTree import Element, SubElement, indent, tostring

_WIDTH: Final = 860
_LABELS: Final = 330  # pixels left of the bars
_VALUES: Final = 120  # right of the longest
_ROW: Final = 24
_BAR: Final = 16
_HEAD: Final = 50
_FOOT: Final = 14
_CHART: Final = 300  # high
_ROOM: Final = 1.1  # above the highest line
_BASE: Final = "#9aa5b1"
_OTHER: Final = "#2f6f9f"
_SPREAD: Final = "#222222"
_FLOOR: Final = "#c0392b"


@dataclass(frozen=True, slots=True)
class Bar:
    """A median with its spread."""

    label: str
    median: float
    least: float
    most: float


def bars(title: str, rows: Sequence[Bar], floor: float | None = None) -> str:
    """Draw the rows, the first as the baseline, and the floor as a dashed line."""
    most = max([*(row.most for row in rows), floor or 0.0]) or 1.0
    scale = (_WIDTH - _LABELS - _VALUES) / most
    height = _HEAD + _ROW * len(rows) + _FOOT
    drawing = _drawing(height)
    _text(drawing, 10, 22, title, size=15)
    for number, row in enumerate(rows):
        _row(drawing, row, _HEAD + _ROW * number, scale, _OTHER if number else _BASE)
    if floor is not None:
        _floor(drawing, floor, scale, height)
    indent(drawing)
    return tostring(drawing, encoding="unicode") + "\n"


def lines(
    title: str, across: Sequence[float], rows: Mapping[str, Sequence[float]], bound: float
) -> str:
    """Draw each row over the same values, named at its end, and the bound as a dashed line."""
    wide, high = _WIDTH - _VALUES - 2 * _ROW, _CHART - _HEAD - 2 * _FOOT
    last, most = max(across), max(bound, *(max(row) for row in rows.values())) * _ROOM
    drawing = _drawing(_CHART)
    _text(drawing, 10, 22, title, size=15)
    for name, row in {**rows, "at most": [bound] * len(across)}.items():
        colour = {next(iter(rows)): _OTHER, "at most": _FLOOR}.get(name, _BASE)
        places = [
            (_ROW + x / last * wide, _HEAD + high * (1 - y / most))
            for x, y in zip(across, row, strict=True)
        ]
        line = {"d": "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in places), "fill": "none"}
        dashes = {"stroke-dasharray": "5 4"} if colour == _FLOOR else {}
        SubElement(drawing, "path", line | dashes, stroke=colour)
        right, level = places[-1]
        _text(drawing, right + 6, level + 4, f"{name} {row[-1]:.0f}", colour=colour)
    for x in (0.0, last):
        _text(drawing, _ROW + x / last * wide, _CHART - 4, f"{x:.0f}", anchor="middle")
    indent(drawing)
    return tostring(drawing, encoding="unicode") + "\n"


def _drawing(height: int) -> Element:
    size = {"width": str(_WIDTH), "height": str(height)}
    drawing = Element("svg", size, xmlns="http://www.w3.org/2000/svg")
    drawing.attrib["viewBox"] = f"0 0 {_WIDTH} {height}"
    drawing.attrib["font-family"] = "sans-serif"
    SubElement(drawing, "rect", size, fill="#ffffff")
    return drawing


def _row(drawing: Element, row: Bar, y: int, scale: float, colour: str) -> None:
    middle, length = y + _ROW / 2, row.median * scale
    _text(drawing, _LABELS - 8, middle + 4, row.label, anchor="end")
    place = {"x": str(_LABELS), "y": f"{middle - _BAR / 2:g}"}
    SubElement(drawing, "rect", place, width=f"{length:.1f}", height=str(_BAR), fill=colour)
    start, end = _LABELS + row.least * scale, _LABELS + row.most * scale
    line = {"d": f"M{start:.1f} {middle:g}H{end:.1f}", "stroke-width": "2"}
    SubElement(drawing, "path", line, stroke=_SPREAD)
    _text(drawing, max(end, _LABELS + length) + 6, middle + 4, f"{row.median:.3g}")


def _floor(drawing: Element, floor: float, scale: float, height: int) -> None:
    x = _LABELS + floor * scale
    line = {"d": f"M{x:.1f} {_HEAD - 4}V{height - _FOOT}", "stroke-dasharray": "5 4"}
    SubElement(drawing, "path", line, stroke=_FLOOR)
    _text(drawing, x, _HEAD - 8, f"floor {floor:g}", anchor="middle", colour=_FLOOR)


def _text(
    drawing: Element,
    x: float,
    y: float,
    words: str,
    *,
    size: int = 13,
    anchor: str = "start",
    colour: str = "#000000",
) -> None:
    where = {"x": f"{x:.1f}", "y": f"{y:g}", "font-size": str(size), "text-anchor": anchor}
    SubElement(drawing, "text", where, fill=colour).text = words
