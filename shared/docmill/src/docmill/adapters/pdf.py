"""PDF files through pdfium: geometry, what is on a page, and the page as pixels."""

import ctypes
import hashlib
import math
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pypdfium2 as pdfium
from pypdfium2 import raw

from docmill.adapters import image, room
from docmill.adapters.image import Pixels
from docmill.domain.rejection import CorruptFile, EncryptedPdf, PageUnreadable, TooManyPixels

POINTS_PER_INCH: Final = 72
DEPTH: Final = 6  # of nested forms looked into; pages made by programs stay below four
_FULL_PAGE: Final = 0.85
_DEEP: Final = 3  # bytes of a pixel as pdfium decodes it
_DEEPEST: Final = 16  # … while it decodes a JPEG 2000; no other takes more
_UNPACKED: Final = 2**30  # bytes after which pdfium 8149 stops inflating, and draws black
_DRAWN: Final = frozenset({raw.FPDF_PAGEOBJ_PATH, raw.FPDF_PAGEOBJ_SHADING})
Affine = tuple[float, float, float, float, float, float]


@contextmanager
def opened(path: Path) -> Iterator[pdfium.PdfDocument]:
    """Open a PDF with its form fields; raise EncryptedPdf or CorruptFile."""
    try:
        document = pdfium.PdfDocument(path)
    except pdfium.PdfiumError as exc:
        raise _explained(exc) from exc
    try:
        document.init_forms()
        yield document
    finally:
        document.close()


def _explained(exc: pdfium.PdfiumError) -> CorruptFile | EncryptedPdf:
    # pdfium says "Incorrect password error" for a missing one and, for a security handler that it
    # does not know, "Unsupported security scheme".
    if "password" in str(exc) or "security" in str(exc):
        return EncryptedPdf(str(exc))
    return CorruptFile(str(exc))


@contextmanager
def page(document: pdfium.PdfDocument, number: int) -> Iterator[pdfium.PdfPage]:
    """Load page `number` (from 1); raise PageUnreadable."""
    try:
        loaded = document[number - 1]
    except (pdfium.PdfiumError, IndexError) as exc:
        raise PageUnreadable(f"page {number}: {exc}") from exc
    try:
        yield loaded
    finally:
        loaded.close()


@dataclass(frozen=True, slots=True)
class Picture:
    """An image on a page: its size in pixels and its box in points as shown."""

    width: int
    height: int
    box: tuple[float, float, float, float]

    @property
    def dpi(self) -> float:
        """The finer of its two resolutions."""
        across = self.width / max(self.box[2] - self.box[0], 0.01)
        down = self.height / max(self.box[3] - self.box[1], 0.01)
        return max(across, down) * POINTS_PER_INCH

    def covers(self, size: tuple[float, float]) -> bool:
        """Whether next to nothing of a page of this size is left beside it."""
        left, top, right, bottom = self.box
        across = min(right, size[0]) - max(left, 0)
        down = min(bottom, size[1]) - max(top, 0)
        return max(across, 0) * down >= _FULL_PAGE * size[0] * size[1]

    def shows(self, size: tuple[float, float]) -> bool:
        """Whether any of it lies on a page of this size."""
        left, top, right, bottom = self.box
        return left < size[0] and top < size[1] and right > 0 and bottom > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What a page is made of."""

    pictures: tuple[Picture, ...]
    texts: int
    hidden: int  # of the texts: drawn invisibly or under a full-page image, as OCR layers are
    paths: int
    annotations: int

    @property
    def empty(self) -> bool:
        return not (self.pictures or self.texts or self.paths or self.annotations)


def shown(sheet: pdfium.PdfPage) -> Affine:
    """Return the map (a, b, c, d, e, f) from the page's own space to points as it is shown.

    x' = a x + c y + e and y' = b x + d y + f; the origin is the top left corner, after rotation
    and cropping.
    """
    origin, right, up = (_device(sheet, x, y) for x, y in ((0, 0), (1000, 0), (0, 1000)))
    a, b = ((right[i] - origin[i]) / 1000 for i in (0, 1))
    c, d = ((up[i] - origin[i]) / 1000 for i in (0, 1))
    return a, b, c, d, origin[0], origin[1]


def _device(sheet: pdfium.PdfPage, x: float, y: float) -> tuple[float, float]:
    fine = 256  # device pixels are whole numbers
    width, height = (round(side * fine) for side in sheet.get_size())
    column, row = ctypes.c_int(), ctypes.c_int()
    raw.FPDF_PageToDevice(sheet.raw, 0, 0, width, height, 0, x, y, column, row)
    return column.value / fine, row.value / fine


def mapped(affine: Affine, box: tuple[float, ...]) -> tuple[float, float, float, float]:
    """Map a box (two opposite corners) and return it as left, top, right, bottom."""
    a, b, c, d, e, f = affine
    xs = [a * x + c * y + e for x in box[::2] for y in box[1::2]]
    ys = [b * x + d * y + f for x in box[::2] for y in box[1::2]]
    return min(xs), min(ys), max(xs), max(ys)


def contents(sheet: pdfium.PdfPage) -> Contents:
    """Look at the page's objects; nothing is decoded."""
    affine = shown(sheet)
    items = list(sheet.get_objects(max_depth=DEPTH))
    pictures = {
        place: _picture(item, affine)
        for place, item in enumerate(items)
        if item.type == raw.FPDF_PAGEOBJ_IMAGE
    }
    lid = max((at for at, each in pictures.items() if each.covers(sheet.get_size())), default=0)
    texts = [place for place, item in enumerate(items) if item.type == raw.FPDF_PAGEOBJ_TEXT]
    return Contents(
        pictures=tuple(pictures.values()),
        texts=len(texts),
        hidden=sum(place < lid or _invisible(items[place]) for place in texts),
        paths=sum(item.type in _DRAWN for item in items),
        annotations=raw.FPDFPage_GetAnnotCount(sheet.raw),
    )


def _invisible(item: Any) -> bool:
    mode = raw.FPDFTextObj_GetTextRenderMode(item.raw)
    return bool(mode == raw.FPDF_TEXTRENDERMODE_INVISIBLE)


def _picture(item: Any, affine: Affine) -> Picture:
    width, height = item.get_px_size()
    return Picture(width, height, mapped(affine, item.get_bounds()))


def check_pictures(found: Contents, max_pixels: int) -> None:
    """Raise TooManyPixels when decoding one of the page's images would exceed the budget."""
    for picture in found.pictures:
        if picture.width * picture.height > max_pixels:
            raise TooManyPixels(f"an image of {picture.width} x {picture.height} pixels")


def rendered(
    sheet: pdfium.PdfPage, found: Contents, scale: float, *, color: bool = False
) -> Pixels:
    """Draw the page with its form fields at so many pixels per point.

    Raise MemoryError or PageUnreadable where pdfium would leave a picture out without a word. What
    a picture's mask takes is not foreseen.
    """
    _check_drawable(sheet, found, scale)
    bitmap = sheet.render(scale=scale, grayscale=not color, may_draw_forms=True, rev_byteorder=True)
    pixels = np.array(bitmap.to_numpy())
    return pixels if color else pixels.reshape(pixels.shape[:2])


def _check_drawable(sheet: pdfium.PdfPage, found: Contents, scale: float) -> None:
    """Have room for all pictures at once: pdfium may keep each until the page is drawn."""
    shown = [picture for picture in found.pictures if picture.shows(sheet.get_size())]
    # One at a time is first made as narrow as it is drawn, then as low; one that is turned, as the
    # page is high.
    widest = math.ceil(max(sheet.get_size()) * scale)
    highest = max((picture.height for picture in shown), default=0)
    pixels = [picture.width * picture.height for picture in shown]
    most = _DEEPEST * sum(pixels) + _DEEP * widest * highest
    if _DEEP * max(pixels, default=0) > _UNPACKED or not room.has(most):
        room.ask(_taken(sheet, found, widest), "drawing a page with its pictures")


def _taken(sheet: pdfium.PdfPage, found: Contents, widest: int) -> int:
    """Return how many bytes the pictures take, one that is shown many times once."""
    decoded: dict[bytes, int] = {}
    narrowed = 0
    items = sheet.get_objects(filter=[raw.FPDF_PAGEOBJ_IMAGE], max_depth=DEPTH)
    for picture, item in zip(found.pictures, items, strict=True):
        if not picture.shows(sheet.get_size()):
            continue
        content = hashlib.sha256(item.get_data()).digest()  # pdfium does not name its objects
        if content not in decoded:
            bits = _bits(item)
            decoded[content] = _decoded(item, picture, bits)
            narrowed = max(narrowed, picture.height * widest * max(1, bits // 8))
    return sum(decoded.values()) + narrowed


def _bits(item: Any) -> int:
    if _packed(item) != "JPXDecode":  # pdfium would decode all of it to tell
        with suppress(pdfium.PdfiumError):
            return int(item.get_metadata().bits_per_pixel)
    return 8 * _DEEP


def _decoded(item: Any, picture: Picture, bits: int) -> int:
    pixels = picture.width * picture.height
    match _packed(item):
        case "JPXDecode":
            return _DEEPEST * pixels
        case "DCTDecode":
            return pixels * bits // 8 + image.passes_of(item.get_data(decode_simple=True))
        case "FlateDecode" if pixels * bits // 8 > _UNPACKED:
            raise PageUnreadable(f"an image that inflates to more than {_UNPACKED >> 20} MB")
        case _:
            return pixels * bits // 8


def _packed(item: Any) -> str:
    """Return the filter next to the pixels; others may be around it."""
    return next(reversed(item.get_filters()), "")
