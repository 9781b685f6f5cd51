"""The layers of a PDF (optional content, ISO 32000-1, 8.11): what is in one that is off is unseen.

pdfium (build 8149) does not draw it, but gives its text and its pictures.
"""

import ctypes
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import pikepdf
import pypdfium2 as pdfium
from pikepdf import Dictionary, Name, Object, Pdf
from pypdfium2 import raw

from docmill.adapters import pdf

_ODD: Final = (pikepdf.PikepdfError, LookupError, TypeError, ValueError, AttributeError)
_LAYER: Final = "OC\0".encode("utf-16-le")  # the mark around what belongs to one
_OF_PAGE: Final = (raw.FPDFPage_CountObjects, raw.FPDFPage_GetObject, raw.FPDFPage_RemoveObject)
_OF_FORM: Final = (
    raw.FPDFFormObj_CountObjects,
    raw.FPDFFormObj_GetObject,
    raw.FPDFFormObj_RemoveObject,
)


class Layers:
    """The layers of one file, which is looked into when an object of a page first asks."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def take_out(self, sheet: pdfium.PdfPage) -> None:
        """Take the text in layers that are off out of a loaded page; its file stays as it is.

        Of two texts alike in one place pdfium gives the first, which may be the unseen one.
        """
        self._take_out(sheet.raw, _OF_PAGE, hidden=False, levels=pdf.DEPTH)

    def _take_out(self, owner: Any, access: tuple[Any, ...], *, hidden: bool, levels: int) -> None:
        count, get, remove = access
        for index in reversed(range(count(owner))):
            item = get(owner, index)
            kind = raw.FPDFPageObj_GetType(item)
            if kind == raw.FPDF_PAGEOBJ_FORM and levels > 1:
                within = hidden or self._hide(item)
                self._take_out(item, _OF_FORM, hidden=within, levels=levels - 1)
            elif kind == raw.FPDF_PAGEOBJ_TEXT and (hidden or self._hide(item)):
                remove(owner, item)
                raw.FPDFPageObj_Destroy(item)

    def _hide(self, item: Any) -> bool:
        names = frozenset(named(item))
        return bool(names) and not names.isdisjoint(self._off)

    @cached_property
    def _off(self) -> frozenset[bytes]:
        """The names of the layers that are off when the file is opened, as it has them.

        None where the file is too odd to tell. A name that a layer has that is on is not among
        them, for only by its name is a layer known again.
        """
        try:
            with Pdf.open(self._path, access_mode=pikepdf.AccessMode.stream) as document:
                properties = document.Root.get("/OCProperties")
                return _unseen(properties) if properties is not None else frozenset()
        except _ODD:
            return frozenset()


def _unseen(properties: Object) -> frozenset[bytes]:
    default = properties.D
    shown = {each.objgen for each in _listed(default, "/ON")}
    hidden = {each.objgen for each in _listed(default, "/OFF")}
    off, on = set[bytes](), {b""}
    for layer in _listed(properties, "/OCGs"):
        unless = layer.objgen in shown if default.get("/BaseState") == Name.OFF else True
        seen = _viewed(layer, otherwise=unless and layer.objgen not in hidden)
        (on if seen else off).add(bytes(layer.get("/Name", b"")))
    return frozenset(off - on)


def _listed(owner: Object, key: str) -> Iterator[Object]:
    return (each for each in owner.get(key, []) if isinstance(each, Dictionary))


def _viewed(layer: Object, *, otherwise: bool) -> bool:
    """Whether a layer is shown on a screen; what it says itself comes first, as in pdfium."""
    usage = layer.get("/Usage")
    view = usage.get("/View") if isinstance(usage, Dictionary) else None
    state = view.get("/ViewState") if isinstance(view, Dictionary) else None
    return otherwise if state is None else bool(state != Name.OFF)


def named(item: Any) -> Iterator[bytes]:
    """Yield the names of the layers that an object on a page is marked for, as the file has them.

    Of a layer that is one by membership (OCMD) the name is empty.
    """
    for index in range(raw.FPDFPageObj_CountMarks(item)):
        mark = raw.FPDFPageObj_GetMark(item, index)
        if _bytes(raw.FPDFPageObjMark_GetName, raw.FPDF_WCHAR, mark) == _LAYER:
            yield _bytes(raw.FPDFPageObjMark_GetParamBlobValue, ctypes.c_ubyte, mark, b"Name")


def _bytes(get: Any, kind: Any, *asked: Any) -> bytes:
    """Return what pdfium writes into a buffer of the size that it names first."""
    size = ctypes.c_ulong()
    if not get(*asked, None, 0, size):
        return b""
    buffer = ctypes.create_string_buffer(size.value)
    get(*asked, ctypes.cast(buffer, ctypes.POINTER(kind)), size.value, size)
    return buffer.raw
