"""How the pixels of a page are come by: a scan as it is stored, all else drawn once."""

import struct
import tracemalloc
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pikepdf
import pytest
from PIL import Image

from docmill.adapters import sniff
from docmill.adapters.image import DEFAULT_MAX_PIXELS, Pixels
from docmill.testing import documents
from docmill_ocr import page_image

DPI = 170  # below what a page is drawn at: a drawn one has other pixels
FULL_PAGE = b"q 595 0 0 842 0 0 cm /Im1 Do Q\n"


def gray_page() -> Image.Image:
    return documents.page_image(dpi=DPI)


def bilevel_page() -> Image.Image:
    return gray_page().convert("1", dither=Image.Dither.NONE)


def coloured_page() -> Image.Image:
    page = np.asarray(gray_page())
    return Image.fromarray(np.dstack([page, page // 2 + 100, 255 - page // 3]))


def jpeg(image: Image.Image) -> tuple[bytes, dict[str, object]]:
    file = BytesIO()
    image.save(file, "JPEG", quality=80, subsampling=0)
    return file.getvalue(), {"Filter": pikepdf.Name.DCTDecode}


def t6(image: Image.Image) -> bytes:
    """What Group 4 makes of a page in one strip; PIL's 1 is white, Group 4's is black."""
    file = BytesIO()
    turned = Image.fromarray(~np.asarray(image))
    turned.save(file, "TIFF", compression="group4", tiffinfo={278: image.height})
    with Image.open(file) as made:
        (at,), (size,) = made.tag_v2[273], made.tag_v2[279]  # type: ignore[attr-defined]  # a TIFF's
    return file.getvalue()[at : at + size]


def fax(image: Image.Image) -> tuple[bytes, dict[str, object]]:
    parms = pikepdf.Dictionary(K=-1, Columns=image.width, Rows=image.height)
    return t6(image), {"Filter": pikepdf.Name.CCITTFaxDecode, "DecodeParms": parms}


def jbig2(image: Image.Image) -> tuple[bytes, dict[str, object]]:
    """A page of one generic region, which JBIG2 may code as Group 4 does."""
    size = struct.pack(">II", image.width, image.height)
    page = size + bytes(8) + b"\0" + bytes(2)
    region = size + bytes(8) + b"\0" + b"\1" + t6(image)
    segments = [(0, 0x30, page), (1, 0x26, region)]
    parts = [struct.pack(">IBBBI", n, kind, 0, 1, len(data)) + data for n, kind, data in segments]
    return b"".join(parts), {"Filter": pikepdf.Name.JBIG2Decode}


def pdf(image: Image.Image, stored: bytes, how: dict[str, object]) -> bytes:
    spaces = {"RGB": pikepdf.Name.DeviceRGB, "L": pikepdf.Name.DeviceGray}
    with pikepdf.Pdf.new() as made:
        page = made.add_blank_page(page_size=(595, 842))
        picture = pikepdf.Stream(made, stored, Type=pikepdf.Name.XObject)
        picture.Subtype = pikepdf.Name.Image
        picture.Width, picture.Height = image.size
        picture.ColorSpace = spaces.get(image.mode, pikepdf.Name.DeviceGray)
        picture.BitsPerComponent = 1 if image.mode == "1" else 8
        for name, value in how.items():
            picture[f"/{name}"] = value
        page.Resources = pikepdf.Dictionary(XObject=pikepdf.Dictionary(Im1=picture))
        page.Contents = made.make_stream(FULL_PAGE)
        file = BytesIO()
        made.save(file)
    return file.getvalue()


def loaded(folder: Path, content: bytes) -> Pixels:
    path = folder / "a.pdf"
    path.write_bytes(content)
    return page_image.load(path, sniff.PDF, 1, DEFAULT_MAX_PIXELS).view.pixels


Store = Callable[[Image.Image], tuple[bytes, dict[str, object]]]


@pytest.mark.parametrize("store", [fax, jbig2])
def test_a_bilevel_scan_is_taken_as_it_is_stored(tmp_path: Path, store: Store) -> None:
    page = bilevel_page()
    assert np.array_equal(loaded(tmp_path, pdf(page, *store(page))), np.asarray(page) * 255)


@pytest.mark.parametrize("make", [gray_page, coloured_page])
def test_a_jpeg_scan_is_taken_as_it_is_stored(
    tmp_path: Path, make: Callable[[], Image.Image]
) -> None:
    stored, how = jpeg(make())
    with Image.open(BytesIO(stored)) as decoded:
        expected = np.asarray(decoded.convert("L")).astype(int)
    pixels = loaded(tmp_path, pdf(make(), stored, how))
    assert np.abs(pixels - expected).max() <= 1  # of 255; the codecs round differently


def test_a_scan_too_fine_to_be_read_as_it_is_is_drawn_smaller(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page_image, "MOST_PIXELS", 1_000_000)
    page = bilevel_page()
    content = pdf(page, *fax(page))
    tracemalloc.start()
    try:
        pixels = loaded(tmp_path, content)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert pixels.size == pytest.approx(1_000_000, rel=0.01)
    assert most < page.width * page.height
