"""One page of a document as the pixels to recognise, and where they lie on the page."""

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt
import pypdfium2 as pdfium

from docmill.adapters import image, pdf, sniff
from docmill.adapters.image import Pixels
from docmill_ocr import scan

Matrix = npt.NDArray[np.float64]

MOST_PIXELS: Final = 50_000_000  # an A4 page at 600 dpi has 35 million, A0 at 150 has 35 million
_LONGEST_SIDE: Final = 30_000  # tesseract takes 32,767
_RENDER_DPI: Final = (200, 300)
_SANE_DPI: Final = range(70, 1201)  # outside it the engine guesses better by itself
_SQUARE: Final = 1.05


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """Pixels and the 2 x 3 matrix that takes their coordinates to the page's."""

    pixels: Pixels
    to_page: Matrix
    dpi: int  # 0 when unknown

    def showing(self, pixels: npt.NDArray[np.generic]) -> "View":
        """Return a view of other pixels in the same places."""
        return replace(self, pixels=np.asarray(pixels, dtype=np.uint8))

    def warped(self, pixels: Pixels, back: Matrix) -> "View":
        """Return a changed view; `back` takes its coordinates to this one's."""
        chained = self.to_page @ np.vstack([back, (0, 0, 1)])
        return View(pixels=pixels, to_page=chained, dpi=self.dpi)


@dataclass(frozen=True, slots=True, kw_only=True)
class PageImage:
    """A page's geometry as shown upright, and its view."""

    width: float
    height: float
    unit: str
    view: View


def load(path: Path, media_type: str, number: int, max_pixels: int) -> PageImage:
    """Decode or draw one page; raise a Rejection or PageUnreadable."""
    if media_type == sniff.PDF:
        return _from_pdf(path, number, max_pixels)
    with image.opened(path, media_type, max_pixels) as picture:
        frame = image.frame(picture, number, max_pixels)
        pixels = image.gray(picture, MOST_PIXELS)
    # After decoding: a PNG may tell its orientation behind its pixels.
    width, height = frame.width, frame.height
    if (width > height) != (pixels.shape[1] > pixels.shape[0]) and width != height:
        width, height = height, width
    return _page_image(pixels, (width, height), "px", frame.dpi or (0, 0))


def _from_pdf(path: Path, number: int, max_pixels: int) -> PageImage:
    with pdf.opened(path) as document, pdf.page(document, number) as sheet:
        found = pdf.contents(sheet)
        pdf.check_pictures(found, max_pixels)
        size = sheet.get_size()
        # What must be made smaller anyway is drawn so, which takes its image row by row.
        fits = all(each.width * each.height <= MOST_PIXELS for each in found.pictures)
        pixels = scan.stored(sheet, path, number) if fits else None
        if pixels is None:
            pixels = pdf.rendered(sheet, found, _scale(sheet, found))
    inches = size[0] / pdf.POINTS_PER_INCH, size[1] / pdf.POINTS_PER_INCH
    dpi = pixels.shape[1] / inches[0], pixels.shape[0] / inches[1]
    return _page_image(pixels, (round(size[0], 2), round(size[1], 2)), "pt", dpi)


def _scale(sheet: pdfium.PdfPage, found: pdf.Contents) -> float:
    """Draw as fine as the page's images are, within bounds; live text as fine as allowed."""
    low, high = _RENDER_DPI
    finest = max((picture.dpi for picture in found.pictures), default=high)
    scale = min(max(finest, low), high) / pdf.POINTS_PER_INCH
    width, height = sheet.get_size()
    bounded = (MOST_PIXELS / max(width * height, 1.0)) ** 0.5
    return float(min(scale, bounded, _LONGEST_SIDE / max(width, height, 1.0)))


def _page_image(
    pixels: Pixels, size: tuple[float, float], unit: str, dpi: tuple[float, float]
) -> PageImage:
    reduced = pixels.shape[1] / size[0] if unit == "px" else 1.0
    shaped = _bounded(_squared(pixels, *dpi))
    fine = round((dpi[0] or dpi[1]) * reduced * shaped.shape[1] / pixels.shape[1])
    to_page = np.array(
        [[size[0] / shaped.shape[1], 0, 0], [0, size[1] / shaped.shape[0], 0]], dtype=np.float64
    )
    view = View(pixels=shaped, to_page=to_page, dpi=fine if fine in _SANE_DPI else 0)
    return PageImage(width=size[0], height=size[1], unit=unit, view=view)


def _squared(pixels: Pixels, across: float, down: float) -> Pixels:
    """Stretch the coarser direction of a fax or scan with unequal resolutions.

    Where that would be too large, the finer direction is shrunk instead: what a file says of its
    resolution must not multiply the memory that its pixels take.
    """
    if not (across and down) or 1 / _SQUARE < across / down < _SQUARE:
        return pixels
    height, width = pixels.shape
    finer = max(across, down)
    wanted = width * finer / across, height * finer / down
    share = _share(*wanted)
    size = max(1, round(wanted[0] * share)), max(1, round(wanted[1] * share))
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_CUBIC), dtype=np.uint8)


def _bounded(pixels: Pixels) -> Pixels:
    height, width = pixels.shape
    share = _share(width, height)
    if share == 1.0:
        return pixels
    size = max(1, int(width * share)), max(1, int(height * share))
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def _share(width: float, height: float) -> float:
    """Return what share of both sides keeps the engine's bounds."""
    area = math.sqrt(MOST_PIXELS / (width * height))
    return min(1.0, area, _LONGEST_SIDE / max(width, height))
