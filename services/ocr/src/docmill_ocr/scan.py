"""The scan that is all of a PDF page, taken as it is stored where that is what the page shows."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, Final

import numpy as np
import pikepdf
import pypdfium2 as pdfium
from pikepdf import Pdf
from pypdfium2 import raw

from docmill.adapters import pdf, pdf_layers
from docmill.adapters.image import Pixels

_SLACK: Final = 1.5  # points by which a scan may miss the page's edge
_ROWS: Final = 64  # converted at once
_VEILS: Final = ("/ImageMask", "/SMask", "/SMaskInData", "/Mask", "/OC")


def stored(sheet: pdfium.PdfPage, path: Path, number: int) -> Pixels | None:
    """Return the page's one full-page image as it is stored, or None where it must be drawn."""
    item = _only_image(sheet)
    if item is None or not (_upright(item) and _fills(sheet, item)):
        return None
    if (
        _blended(item)
        or _clipped(item)
        or _in_layer(item)
        or not _opaque(path, number, item.get_px_size())
    ):
        return None
    return _decoded(item, sheet.get_rotation())


def _only_image(sheet: pdfium.PdfPage) -> Any | None:
    if raw.FPDFPage_GetAnnotCount(sheet.raw):
        return None
    items = list(islice(sheet.get_objects(max_depth=pdf.DEPTH), 2))
    alone = len(items) == 1 and items[0].type == raw.FPDF_PAGEOBJ_IMAGE
    return items[0] if alone else None


def _upright(item: Any) -> bool:
    matrix = item.get_matrix()
    level = abs(matrix.b) < 1e-3 * abs(matrix.a) and abs(matrix.c) < 1e-3 * abs(matrix.d)
    return bool(item.level == 0 and level and matrix.a > 0 and matrix.d > 0)


def _fills(sheet: pdfium.PdfPage, item: Any) -> bool:
    width, height = sheet.get_size()
    box = pdf.mapped(pdf.shown(sheet), item.get_bounds())
    edges = zip(box, (0, 0, width, height), strict=True)
    return all(abs(got - wanted) <= _SLACK for got, wanted in edges)


def _blended(item: Any) -> bool:
    """Whether the graphics state lets something else through; it knows no image's own mask."""
    return bool(raw.FPDFPageObj_HasTransparency(item.raw))


def _clipped(item: Any) -> bool:
    """Whether a clip hides some of it; pdfium 8149 forgets a rectangle around all of it."""
    return bool(raw.FPDFClipPath_CountPaths(raw.FPDFPageObj_GetClipPath(item.raw)) > 0)


def _in_layer(item: Any) -> bool:
    """Whether it is in a layer, which may be off."""
    return any(True for _ in pdf_layers.named(item.raw))


def _opaque(path: Path, number: int, size: tuple[int, int]) -> bool:
    """Whether the image covers all of its area with colours of its own.

    An image may be a stencil, have a mask or be a layer that is switched off. pdfium 8149 tells
    nothing of that; the file does.
    """
    try:
        with Pdf.open(path, access_mode=pikepdf.AccessMode.stream) as document:
            images = [each for each in _images(document, number) if _size(each) == size]
            return bool(images) and not any(map(_veiled, images))
    except (pikepdf.PikepdfError, LookupError, TypeError, ValueError, AttributeError):
        return False  # whatever it is, it is drawn


def _images(document: Pdf, number: int) -> Iterator[pikepdf.Object]:
    return iter(document.pages[number - 1].get_images(recursive=False).values())


def _size(image: pikepdf.Object) -> tuple[int, int]:
    return int(image.Width), int(image.Height)


def _veiled(image: pikepdf.Object) -> bool:
    return any(image.get(name) not in (None, False, 0) for name in _VEILS)


def _decoded(item: Any, rotation: int) -> Pixels | None:
    try:
        bitmap = item.get_bitmap(render=False)
    except pdfium.PdfiumError:
        return None
    pixels = _luminance(bitmap)
    return None if pixels is None else np.ascontiguousarray(np.rot90(pixels, -rotation // 90))


def _luminance(bitmap: Any) -> Pixels | None:
    pixels = bitmap.to_numpy()
    if bitmap.mode == "L":
        return np.array(pixels.reshape(pixels.shape[:2]))
    if bitmap.mode in {"BGR", "BGRX"}:
        return _gray(pixels)
    return None


def _gray(pixels: Pixels) -> Pixels:
    """Weigh the colours, some rows at a time: as numbers with fractions a page takes 100 MB."""
    weights = np.array((0.114, 0.587, 0.299), dtype=np.float32)
    made = np.empty(pixels.shape[:2], dtype=np.uint8)
    for top in range(0, len(pixels), _ROWS):
        rows = slice(top, top + _ROWS)
        made[rows] = pixels[rows, :, :3] @ weights + 0.5
    return made
