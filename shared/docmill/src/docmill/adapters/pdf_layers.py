"""The layers of a PDF (optional content, ISO 32000-1, 8.11): what is in one that is off is unseen.

pdfium (build 8149) does not draw it, but gives its text and its pictures.
"""

import ctypes
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import pikepdf
from pikepdf import Name, Object, Pdf
from pypdfium2 import raw

_ODD: Final = (pikepdf.PikepdfError, LookupError, TypeError, ValueError, AttributeError)
_LAYER: Final = "OC"  # the mark around what belongs to one


class Layers:
    """The layers of one file, which is looked into when an object of a page first asks."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def hide(self, item: Any) -> bool:
        """Whether an object on a page, or a form that it is in, belongs to a layer that is off."""
        names = set(of(item))
        return bool(names) and not names.isdisjoint(self.off)

    @cached_property
    def off(self) -> frozenset[str]:
        """The names of the layers that are off when the file is opened.

        None where the file is too odd to tell. A name that a layer has that is on is not among
        them, for only by its name is a layer known again.
        """
        try:
            with Pdf.open(self._path, access_mode=pikepdf.AccessMode.stream) as document:
                properties = document.Root.get("/OCProperties")
                return _off(properties) if properties is not None else frozenset()
        except _ODD:
            return frozenset()


def _off(properties: Object) -> frozenset[str]:
    layers = {each.objgen: str(each.Name) for each in _listed(properties, "/OCGs")}
    default = properties.D
    shown = {each.objgen for each in _listed(default, "/ON")}
    if default.get("/BaseState") != Name.OFF:
        shown |= layers.keys() - {each.objgen for each in _listed(default, "/OFF")}
    return frozenset(layers.values()) - {layers[each] for each in shown & layers.keys()} - {""}


def _listed(owner: Object, key: str) -> Iterator[Object]:
    return iter(owner.get(key, []))


def of(item: Any) -> Iterator[str]:
    """Yield the names of the layers that an object and what it is in belong to.

    Of a layer that is one by membership (OCMD) the name is "".
    """
    while item is not None:
        for index in range(raw.FPDFPageObj_CountMarks(item.raw)):
            mark = raw.FPDFPageObj_GetMark(item.raw, index)
            if _string(raw.FPDFPageObjMark_GetName, mark) == _LAYER:
                yield _string(raw.FPDFPageObjMark_GetParamStringValue, mark, b"Name")
        item = item.container


def _string(get: Any, *asked: Any) -> str:
    size = ctypes.c_ulong()
    if not get(*asked, None, 0, size):
        return ""
    buffer = ctypes.create_string_buffer(size.value)
    get(*asked, ctypes.cast(buffer, ctypes.POINTER(raw.FPDF_WCHAR)), size.value, size)
    return buffer.raw.decode("utf-16-le", "replace").rstrip("\0")
