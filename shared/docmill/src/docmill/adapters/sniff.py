"""What a file is, by its first bytes; its name and declared type are never asked."""

from pathlib import Path
from typing import Final

from docmill.domain.rejection import EmptyFile, UnsupportedType

PDF: Final = "application/pdf"
JPEG: Final = "image/jpeg"
PNG: Final = "image/png"
TIFF: Final = "image/tiff"
WEBP: Final = "image/webp"
BMP: Final = "image/bmp"

_HEAD: Final = 1024  # readers accept a PDF header that comes this late
_MAGIC: Final = (
    (b"\x89PNG\r\n\x1a\n", PNG),
    (b"\xff\xd8\xff", JPEG),
    (b"II*\x00", TIFF),
    (b"MM\x00*", TIFF),
    (b"II+\x00", TIFF),  # BigTIFF
    (b"MM\x00+", TIFF),
    (b"BM", BMP),
)


def media_type(path: Path) -> str:
    """Return the file's media type; raise EmptyFile or UnsupportedType."""
    with path.open("rb") as file:
        head = file.read(_HEAD)
    if not head:
        raise EmptyFile("0 bytes")
    for magic, found in _MAGIC:
        if head.startswith(magic):
            return found
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return WEBP
    if b"%PDF-" in head:
        return PDF
    raise UnsupportedType(f"starts with {head[:8].hex(' ')}")
