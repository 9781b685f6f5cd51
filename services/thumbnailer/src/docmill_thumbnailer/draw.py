"""Small pictures of pages, drawn no larger than they are needed."""

from io import BytesIO
from pathlib import Path
from typing import Final

from PIL import Image, ImageFile

from docmill.adapters import image, pdf, sniff
from docmill.domain.rejection import CorruptFile

_QUALITY: Final = 75
_METHOD: Final = 0  # of 0 to 6: the effort; more costs time, not looks
# Looks as LANCZOS at these sizes and takes 40 % of its time (8 ms for an A4 page at 200 dpi).
_FILTER: Final = Image.Resampling.HAMMING
_MARGIN: Final = 2  # decoded at least so many times finer than shown, so that lines stay smooth


def page(path: Path, media_type: str, number: int, side: int, max_pixels: int) -> Image.Image:
    """Return one page upright, in L or RGB, its longer side at most `side` pixels.

    Raise CorruptFile, PageUnreadable or TooManyPixels.
    """
    if media_type == sniff.PDF:
        return _from_pdf(path, number, side, max_pixels)
    with image.opened(path, media_type, max_pixels) as picture:
        image.frame(picture, number, max_pixels)
        return _from_picture(picture, side)


def _from_picture(picture: ImageFile.ImageFile, side: int) -> Image.Image:
    image.check_room(picture)
    longest = max(picture.size)
    picture.draft(None, tuple(part * side * _MARGIN // longest for part in picture.size))  # type: ignore[arg-type]  # two
    flat = _flat(_halved(picture, side))
    flat.load()  # while the file is open
    return fitted(flat, side)


def _halved(picture: Image.Image, side: int) -> Image.Image:
    """Reduce by whole factors before conversions multiply the memory."""
    factor = max(picture.size) // (side * _MARGIN)
    return picture.reduce(factor) if factor > 1 and picture.mode in image.REDUCIBLE else picture


def _flat(picture: Image.Image) -> Image.Image:
    flat = image.flattened(picture)
    return flat.convert("L") if flat.mode == "1" else flat


def _from_pdf(path: Path, number: int, side: int, max_pixels: int) -> Image.Image:
    with pdf.opened(path) as document, pdf.page(document, number) as sheet:
        found = pdf.contents(sheet)
        pdf.check_pictures(found, max_pixels)
        longest = max(sheet.get_size())
        if longest <= 0:
            raise CorruptFile(f"page {number} has no size")
        return fitted(Image.fromarray(pdf.rendered(sheet, found, side / longest, color=True)), side)


def fitted(picture: Image.Image, side: int) -> Image.Image:
    """Return the picture no larger than the side; small ones keep their size."""
    share = min(1.0, side / max(picture.size))
    size = max(1, round(picture.width * share)), max(1, round(picture.height * share))
    return picture if size == picture.size else picture.resize(size, _FILTER, reducing_gap=2)


def webp(picture: Image.Image) -> bytes:
    """Encode without metadata, the same bytes for the same picture."""
    file = BytesIO()
    bare = picture.copy()
    bare.info.clear()
    bare.save(file, "WEBP", quality=_QUALITY, method=_METHOD)
    return file.getvalue()
