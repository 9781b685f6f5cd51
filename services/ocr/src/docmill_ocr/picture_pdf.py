"""A PDF of a picture file, one page per frame, the pixels as they are."""

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Final, cast
from zlib import crc32

import img2pdf
from pikepdf import Dictionary, Pdf
from PIL import Image, ImageFile
from PIL.TiffImagePlugin import TiffImageFile

from docmill.adapters import image
from docmill.adapters.image import Frame
from docmill.domain.rejection import CorruptFile
from docmill_ocr import tiff_frame
from docmill_ocr.spool import Spool

_POINTS: Final = 72
_SIDES: Final = (4.0, 14_000.0)  # points; PDF readers refuse pages outside 3 to 14,400
_BLANK_SIDE: Final = 595
_KEPT: Final = {  # what img2pdf embeds without decoding it
    "JPEG": frozenset({"L", "RGB", "CMYK"}),
    "MPO": frozenset({"RGB"}),  # a JPEG with more pictures behind it
    "PNG": frozenset({"1", "L", "P", "RGB"}),
}
_REFUSED: Final = (
    *image.DAMAGE,
    img2pdf.ImageOpenError,
    img2pdf.JpegColorspaceError,
    img2pdf.AlphaChannelError,
    img2pdf.ExifOrientationError,
    img2pdf.UnsupportedColorspaceError,
    NotImplementedError,
)

SetAside = tuple[int, str, bytes]  # the picture's number and name, and a PDF without it


def write(path: Path, media_type: str, target: Path, max_pixels: int) -> None:
    """Write the PDF; a frame that cannot be decoded becomes an empty page.

    Pictures wait in a file beside the target: many take no more memory than one.
    """
    aside = target.with_suffix(".frames")
    with aside.open("x+b") as file:
        spool = Spool(file)
        pages = [_put(spool, page) for page in _pages(path, media_type, max_pixels)]
        spool.finish()
    with Pdf.open(aside) as whole:
        for page in pages:
            _append(whole, page)
        whole.save(target, deterministic_id=True)
    aside.unlink()


def _pages(path: Path, media_type: str, max_pixels: int) -> Iterator[BytesIO | None]:
    with image.opened(path, media_type, max_pixels) as picture:
        total = image.frame_count(picture)
    for number in range(1, total + 1):
        with image.opened(path, media_type, max_pixels) as picture:
            page = _page(picture, path, number, max_pixels)
        yield page


def _put(spool: Spool, page: BytesIO | None) -> SetAside | None:
    """Put the picture aside and keep what is left of its page."""
    if page is None:
        return None
    with Pdf.open(page) as one:
        (name, picture), *_ = one.pages[0].get_images().items()
        number = spool.put(picture.read_raw_bytes())
        told = {key: value for key, value in picture.items() if key != "/Length"}
        one.pages[0].Resources.XObject[name] = Dictionary(told)
        rest = BytesIO()
        one.save(rest)
    return number, name, rest.getvalue()


def _append(whole: Pdf, page: SetAside | None) -> None:
    if page is None:
        whole.add_blank_page(page_size=(_BLANK_SIDE, _BLANK_SIDE))
        return
    number, name, rest = page
    with Pdf.open(BytesIO(rest)) as one:
        whole.pages.extend(one.pages)
    shown = whole.pages[-1].Resources.XObject
    picture = whole.get_object(number, 0)
    picture.stream_dict = cast("Dictionary", shown[name])
    shown[name] = picture


def _page(picture: ImageFile.ImageFile, path: Path, number: int, max_pixels: int) -> BytesIO | None:
    try:
        return _shown(picture, path, image.frame(picture, number, max_pixels))
    except (CorruptFile, *image.DAMAGE):
        return None


def _shown(picture: ImageFile.ImageFile, path: Path, frame: Frame) -> BytesIO:
    if (stored := _stored(picture, path)) is not None:
        try:
            return _embedded(BytesIO(stored), frame, sideways=_sideways(picture, frame))
        except _REFUSED:
            pass  # an oddity of the file; its pixels are still good
    return _embedded(_as_png(picture), frame, sideways=False)


def _stored(picture: ImageFile.ImageFile, path: Path) -> bytes | None:
    """Return what img2pdf embeds without decoding it."""
    if isinstance(picture, TiffImageFile):
        return tiff_frame.stored(picture, path)
    if picture.mode not in _KEPT.get(picture.format or "", ()) or _needs_decoding(picture):
        return None
    content = path.read_bytes()
    return _explicit(content) if picture.format == "PNG" else content


def _needs_decoding(picture: ImageFile.ImageFile) -> bool:
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
_EMPTY: Final = b"MM\0*\0\0\0\x08\0\0\0\0\0\0"  # a directory without entries
_NO_EXIF: Final = _chunk(b"eXIf", _EMPTY)


def _as_png(picture: Image.Image) -> BytesIO:
    file = BytesIO()
    image.flattened(picture).save(file, "PNG", exif=_EMPTY)
    file.seek(0)
    return file


def _embedded(source: BytesIO, frame: Frame, *, sideways: bool) -> BytesIO:
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
    return file


def _points(pixels: int, dpi: float) -> float:
    return min(max(pixels * _POINTS / dpi, _SIDES[0]), _SIDES[1])
