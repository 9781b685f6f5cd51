"""Picture files whose metadata is odd, or whose grays are deep, are read for what they show."""

from io import BytesIO
from pathlib import Path
from struct import pack
from typing import Final

import numpy as np
import pytest
from PIL import Image
from PIL.TiffImagePlugin import IFDRational, ImageFileDirectory_v2

from docmill.adapters import image, sniff
from docmill_ocr import picture_pdf

BUDGET: Final = 10**6
PAGE: Final = Image.fromarray(np.tile(np.linspace(0, 255, 64).astype(np.uint8), (48, 1)))


def levels(path: Path, media_type: str) -> tuple[image.Frame, list[int]]:
    """Return the only frame and the gray levels of its first row."""
    with image.opened(path, media_type, BUDGET) as picture:
        frame = image.frame(picture, 1, BUDGET)
        return frame, image.gray(picture, BUDGET)[0].tolist()


@pytest.mark.parametrize(
    ("across", "down"), [((1, 0), (1, 0)), ((0, 0), (0, 0)), ((300, 1), (0, 0))]
)
def test_a_resolution_that_is_no_number_is_none(
    tmp_path: Path, across: tuple[int, int], down: tuple[int, int]
) -> None:
    tags, path = ImageFileDirectory_v2(), tmp_path / "page.tif"
    tags[282], tags[283], tags[296] = IFDRational(*across), IFDRational(*down), 2
    PAGE.save(path, tiffinfo=tags)
    frame, shown = levels(path, sniff.TIFF)
    assert (frame.dpi, shown) == (None, np.asarray(PAGE)[0].tolist())


def jpeg(path: Path, exif: bytes) -> None:
    """Save a JPEG that says what its resolution is, and then what it was made by."""
    file = BytesIO()
    PAGE.save(file, "JPEG", dpi=(200, 200))
    head, rest = file.getvalue()[:20], file.getvalue()[20:]  # with the JFIF segment
    path.write_bytes(head + b"\xff\xe1" + pack(">H", len(exif) + 8) + b"Exif\0\0" + exif + rest)


def test_what_a_picture_says_of_itself_in_error_costs_none_of_it(tmp_path: Path) -> None:
    path, target = tmp_path / "page.jpg", tmp_path / "page.pdf"
    jpeg(path, b"no TIFF header")
    frame, shown = levels(path, sniff.JPEG)
    assert (frame.width, frame.height, len(shown)) == (64, 48, 64)
    picture_pdf.write(path, sniff.JPEG, target, BUDGET)
    assert b"/Image" in target.read_bytes()


def test_a_picture_is_turned_though_what_else_it_says_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "page.jpg"
    entries = pack(">HHII", 0x0100, 2, 4, 0x61626300) + pack(">HHIHH", 0x0112, 3, 1, 6, 0)
    jpeg(path, b"MM\0*\0\0\0\x08\0\x02" + entries + bytes(4))
    frame, shown = levels(path, sniff.JPEG)
    assert (frame.width, frame.height, len(shown)) == (48, 64, 48)


def tiff(path: Path, samples: bytes, bits: int, photometric: int) -> None:
    """Write a TIFF of one strip, 64 by 48 pixels."""
    entries = [(256, 64), (257, 48), (258, bits), (259, 1), (262, photometric), (273, 8)]
    entries += [(277, 1), (278, 48), (279, len(samples))]
    directory = b"".join(pack("<HHII", tag, 4, 1, value) for tag, value in entries)
    head = b"II*\0" + pack("<I", 8 + len(samples))
    path.write_bytes(head + samples + pack("<H", len(entries)) + directory + bytes(4))


def packed(row: list[int]) -> bytes:
    """Pack samples of 12 bits, two in three bytes."""
    pairs = zip(row[::2], row[1::2], strict=True)
    return b"".join((one << 12 | other).to_bytes(3) for one, other in pairs)


RAMP: Final = np.linspace(0, 255, 64).astype(int).tolist()


@pytest.mark.parametrize(
    ("samples", "bits", "photometric", "shown"),
    [
        (pack("<64H", *(level << 8 for level in RAMP)), 16, 1, RAMP),
        (pack("<64H", *(level << 8 for level in RAMP)), 16, 0, [255 - level for level in RAMP]),
        (packed([level << 4 for level in RAMP]), 12, 1, RAMP),
    ],
    ids=["16 bits", "16 bits, white is zero", "12 bits"],
)
def test_deep_grays_are_shown_as_they_are_meant(
    tmp_path: Path, samples: bytes, bits: int, photometric: int, shown: list[int]
) -> None:
    path = tmp_path / "page.tif"
    tiff(path, samples * 48, bits, photometric)
    assert levels(path, sniff.TIFF)[1] == shown
