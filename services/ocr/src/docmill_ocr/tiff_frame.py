"""A frame of a TIFF as it is stored, in a file of its own that others need not decode."""

import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from PIL import TiffImagePlugin as Tiff
from PIL.TiffImagePlugin import TiffImageFile

from docmill_ocr import jpeg_strips

Tags = Mapping[int, Any]

_GROUP_4: Final = 4
_JPEG: Final = 7
_T6_OPTIONS: Final = 293
_ORIENTATION: Final = 274
_FAX: Final = {Tiff.BITSPERSAMPLE: 1, Tiff.SAMPLESPERPIXEL: 1, Tiff.COMPRESSION: _GROUP_4}
_FAX_TAGS: Final = (Tiff.IMAGEWIDTH, Tiff.IMAGELENGTH, Tiff.PHOTOMETRIC_INTERPRETATION)
_USUAL: Final = {
    _ORIENTATION: 1,
    Tiff.PLANAR_CONFIGURATION: 1,
    _T6_OPTIONS: 0,
    Tiff.ICCPROFILE: None,
}
# By photometric interpretation and mode: how a decoder is told what the components are.
_ADOBE: Final = b"\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00"
_COLOURS: Final = {(1, "L"): b"", (2, "RGB"): _ADOBE + b"\0", (6, "RGB"): _ADOBE + b"\1"}


def stored(frame: TiffImageFile, path: Path) -> bytes | None:
    """Return the frame as a TIFF of one fax strip or as a JPEG; None where it is neither.

    `frame` is open at it and has not been decoded.
    """
    tags = frame.tag_v2
    make = {_GROUP_4: _fax, _JPEG: _jpeg}.get(tags.get(Tiff.COMPRESSION, 0))
    if make is None or any(tags.get(tag, usual) != usual for tag, usual in _USUAL.items()):
        return None
    try:
        return make(tags, frame.mode, _strips(path, tags))
    except (ArithmeticError, LookupError, TypeError, ValueError, struct.error):
        return None  # an oddity of the file; its pixels may still be good


def _strips(path: Path, tags: Tags) -> list[bytes]:
    offsets, sizes = tags[Tiff.STRIPOFFSETS], tags[Tiff.STRIPBYTECOUNTS]
    if sum(sizes) > path.stat().st_size:
        raise ValueError("strips lie in each other")
    with path.open("rb") as file:
        return [_read(file, *each) for each in zip(offsets, sizes, strict=True)]


def _read(file: Any, offset: int, size: int) -> bytes:
    file.seek(offset)
    return bytes(file.read(size))


def _fax(tags: Tags, mode: str, strips: Sequence[bytes]) -> bytes | None:
    if mode != "1" or len(strips) != 1:
        return None
    entries = {tag: tags[tag] for tag in _FAX_TAGS}
    entries |= {
        Tiff.ROWSPERSTRIP: tags[Tiff.IMAGELENGTH],
        Tiff.FILLORDER: tags.get(Tiff.FILLORDER, 1),
    }
    return _tiff({**_FAX, **entries}, strips[0])


def _tiff(entries: Mapping[int, int], strip: bytes) -> bytes:
    """Return a TIFF of one strip."""
    count = len(entries) + 2
    place = {Tiff.STRIPOFFSETS: 8 + 2 + 12 * count + 4, Tiff.STRIPBYTECOUNTS: len(strip)}
    told = sorted({**entries, **place}.items())
    rows = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in told)
    return b"II*\0" + struct.pack("<IH", 8, count) + rows + bytes(4) + strip


def _jpeg(tags: Tags, mode: str, strips: Sequence[bytes]) -> bytes | None:
    colours = _COLOURS.get((tags[Tiff.PHOTOMETRIC_INTERPRETATION], mode))
    if colours is None:
        return None
    size = tags[Tiff.IMAGEWIDTH], tags[Tiff.IMAGELENGTH]
    return jpeg_strips.joined(
        strips, size, colours, tags.get(Tiff.JPEGTABLES, jpeg_strips.NO_TABLES)
    )
