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
from docmill.domain.writing import Box

POINTS_PER_INCH: Final = 72
DEPTH: Final = 41  # levels looked into: the page, and forms in forms as far as pdfium draws them
_FULL_PAGE: Final = 0.85
_PIXEL: Final = 3  # bytes of a pixel as pdfium decodes it
_JPX_PIXEL: Final = 16  # … while it decodes a JPEG 2000; no other takes more
_UNPACKED: Final = 2**30  # bytes after which pdfium 8149 stops inflating, and draws black
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
    box: Box

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


def mapped(affine: Affine, box: Box) -> Box:
    """Map a box (two opposite corners) and return it as left, top, right, bottom.

    The map is one that `shown` gives, which turns by quarters only.
    """
    a, b, c, d, e, f = affine
    left, bottom, right, top = box
    x, y = a * left + c * bottom + e, b * left + d * bottom + f
    opposite_x, opposite_y = a * right + c * top + e, b * right + d * top + f
    return min(x, opposite_x), min(y, opposite_y), max(x, opposite_x), max(y, opposite_y)


def inverse(affine: Affine) -> Affine:
    """Return the affine map that undoes the given one."""
    a, b, c, d, e, f = affine
    det = a * d - b * c
    return (
        d / det,
        -b / det,
        -c / det,
        a / det,
        (c * f - d * e) / det,
        (b * e - a * f) / det,
    )


def contents(sheet: pdfium.PdfPage) -> Contents:
    """Look at the page's objects; nothing is decoded."""
    affine = shown(sheet)
    pictures: list[Picture] = []
    texts = hidden = paths = 0
    for item in sheet.get_objects(max_depth=DEPTH):  # a map has a million
        match item.type:
            case raw.FPDF_PAGEOBJ_IMAGE:
                pictures.append(_picture(item, affine))
                hidden = texts if pictures[-1].covers(sheet.get_size()) else hidden
            case raw.FPDF_PAGEOBJ_TEXT:
                texts += 1
                hidden += _invisible(item)
            case raw.FPDF_PAGEOBJ_PATH | raw.FPDF_PAGEOBJ_SHADING:
                paths += 1
    return Contents(
        pictures=tuple(pictures),
        texts=texts,
        hidden=hidden,
        paths=paths,
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
    """Raise MemoryError unless all pictures can be held, which pdfium may do until it has drawn."""
    on_page = [picture for picture in found.pictures if picture.shows(sheet.get_size())]
    # pdfium scales one picture at a time, first across, then down; a turned one is as wide as the
    # page is high.
    widest = math.ceil(max(sheet.get_size()) * scale)
    highest = max((picture.height for picture in on_page), default=0)
    pixels = [picture.width * picture.height for picture in on_page]
    most = _JPX_PIXEL * sum(pixels) + _PIXEL * widest * highest
    if _PIXEL * max(pixels, default=0) > _UNPACKED or not room.has(most):
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
    return 8 * _PIXEL


def _decoded(item: Any, picture: Picture, bits: int) -> int:
    pixels = picture.width * picture.height
    match _packed(item):
        case "JPXDecode":
            return _JPX_PIXEL * pixels
        case "DCTDecode":
            return pixels * bits // 8 + image.passes_of(item.get_data(decode_simple=True))
        case "FlateDecode" if pixels * bits // 8 > _UNPACKED:
            raise PageUnreadable(f"an image that inflates to more than {_UNPACKED >> 20} MB")
        case _:
            return pixels * bits // 8


def _packed(item: Any) -> str:
    """Return the filter next to the pixels; others may be around it."""
    return next(reversed(item.get_filters()), "")
