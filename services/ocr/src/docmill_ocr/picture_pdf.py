"""A PDF of a picture file, one page per frame, the pixels as they are."""

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Final
from zlib import crc32

import img2pdf
from pikepdf import Pdf
from PIL import Image, ImageFile

from docmill.adapters import image
from docmill.adapters.image import Frame
from docmill.domain.rejection import CorruptFile

_POINTS: Final = 72
_SIDES: Final = (4.0, 14_000.0)  # points; PDF readers refuse pages outside 3 to 14,400
_BLANK_SIDE: Final = 595
_KEPT: Final = {  # what img2pdf embeds without decoding it
    "JPEG": frozenset({"L", "RGB", "CMYK"}),
    "MPO": frozenset({"RGB"}),  # a JPEG with more pictures behind it
    "PNG": frozenset({"1", "L", "P", "RGB"}),
}
_REFUSED: Final = (
    img2pdf.ImageOpenError,
    img2pdf.JpegColorspaceError,
    img2pdf.AlphaChannelError,
    img2pdf.ExifOrientationError,
    img2pdf.UnsupportedColorspaceError,
    NotImplementedError,
    ValueError,
)


def write(path: Path, media_type: str, target: Path, max_pixels: int) -> None:
    """Write the PDF; a frame that cannot be decoded becomes an empty page."""
    with Pdf.new() as whole:
        number, total = 0, 1
        while number < total:
            number += 1
            with image.opened(path, media_type, max_pixels) as picture:
                total = image.frame_count(picture)
                _append(whole, picture, path, number, max_pixels)
        whole.save(target, deterministic_id=True)


def _append(
    whole: Pdf, picture: ImageFile.ImageFile, path: Path, number: int, max_pixels: int
) -> None:
    try:
        frame = image.frame(picture, number, max_pixels)
        page = _page(picture, path, frame)
    except (CorruptFile, *image.DAMAGE):
        whole.add_blank_page(page_size=(_BLANK_SIDE, _BLANK_SIDE))
        return
    with Pdf.open(BytesIO(page)) as one:
        whole.pages.extend(one.pages)


def _page(picture: ImageFile.ImageFile, path: Path, frame: Frame) -> bytes:
    if picture.mode in _KEPT.get(picture.format or "", ()) and not _clear(picture):
        try:
            source = _explicit(path.read_bytes()) if picture.format == "PNG" else str(path)
            return _embedded(source, frame, sideways=_sideways(picture, frame))
        except _REFUSED:
            pass  # an oddity of the file; its pixels are still good
    return _embedded(_as_png(picture), frame, sideways=False)


def _clear(picture: ImageFile.ImageFile) -> bool:
    turned = picture.format == "PNG" and "exif" in picture.info
    return "transparency" in picture.info or turned


def _sideways(picture: ImageFile.ImageFile, frame: Frame) -> bool:
    return picture.size != (frame.width, frame.height)


def _explicit(png: bytes) -> bytes:
    """Have a PNG without EXIF say so; img2pdf decodes all of it to see whether some follows."""
    if not _TELLING.isdisjoint(_chunks(png)):
        return png
    return png[:_HEAD] + _NO_EXIF + png[_HEAD:]


def _chunks(png: bytes) -> Iterator[bytes]:
    """Yield the kinds of the chunks."""
    at = _SIGNATURE
    while at < len(png):
        yield png[at + 4 : at + 8]
        at += 12 + int.from_bytes(png[at : at + 4])


def _chunk(kind: bytes, body: bytes) -> bytes:
    return len(body).to_bytes(4) + kind + body + crc32(kind + body).to_bytes(4)


_SIGNATURE: Final = 8  # bytes of a PNG before its first chunk
_HEAD: Final = 33  # with the first chunk, which is always IHDR
_TELLING: Final = frozenset({b"eXIf", b"tEXt", b"zTXt", b"iTXt"})  # may hold EXIF
_NO_EXIF: Final = _chunk(b"eXIf", b"MM\0*\0\0\0\x08\0\0\0\0\0\0")  # a directory without entries


def _as_png(picture: Image.Image) -> bytes:
    file = BytesIO()
    image.flattened(picture).save(file, "PNG")
    return file.getvalue()


def _embedded(source: str | bytes, frame: Frame, *, sideways: bool) -> bytes:
    across, down = frame.print_dpi
    size = _points(frame.width, across), _points(frame.height, down)
    layout = img2pdf.get_layout_fun(pagesize=size[::-1] if sideways else size)
    file = BytesIO()
    img2pdf.convert(
        source,
        outputstream=file,
        layout_fun=layout,
        nodate=True,
        rotation=img2pdf.Rotation.ifvalid,
        first_frame_only=True,
    )
    return file.getvalue()


def _points(pixels: int, dpi: float) -> float:
    return min(max(pixels * _POINTS / dpi, _SIDES[0]), _SIDES[1])
