"""How the pixels of a page are come by: a scan as it is stored, all else drawn once."""

import struct
import tracemalloc
import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pikepdf
import pytest
from PIL import Image, ImageOps

from docmill.adapters import sniff
from docmill.adapters.image import DEFAULT_MAX_PIXELS, Pixels
from docmill.testing import documents
from docmill.testing.pictures import encoded
from docmill_ocr import page_image
from tests.stack import tiffs

DPI = 170  # below what a page is drawn at: a drawn one has other pixels
FULL_PAGE = b"q 595 0 0 842 0 0 cm /Im1 Do Q\n"
CLIPPED = b"q 0 0 595 842 re W n " + FULL_PAGE + b"Q\n"  # to the page, as many programs do
IN_LAYER = b"/OC /Layer BDC " + FULL_PAGE + b"EMC\n"
LOWER_HALF = b"q 0 0 595 421 re W n " + FULL_PAGE + b"Q\n"
ROUND = b"q 0 421 m 0 0 l 595 0 l 595 842 l 298 842 0 842 0 421 c W n " + FULL_PAGE + b"Q\n"


def gray_page() -> Image.Image:
    return documents.page_image(dpi=DPI)


def bilevel_page() -> Image.Image:
    return gray_page().convert("1", dither=Image.Dither.NONE)


def coloured_page() -> Image.Image:
    page = np.asarray(gray_page())
    return Image.fromarray(np.dstack([page, page // 2 + 100, 255 - page // 3]))


def jpeg(image: Image.Image) -> tuple[bytes, dict[str, object]]:
    stored = encoded(image, "JPEG", quality=80, subsampling=0)
    return stored, {"Filter": pikepdf.Name.DCTDecode}


def t6(image: Image.Image) -> bytes:
    """What Group 4 makes of a page in one strip; PIL's 1 is white, Group 4's is black."""
    turned = Image.fromarray(~np.asarray(image))
    made = encoded(turned, "TIFF", compression="group4", tiffinfo={278: image.height})
    return tiffs.strips(made)[0]


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


def flat(image: Image.Image) -> tuple[bytes, dict[str, object]]:
    return zlib.compress(image.tobytes()), {"Filter": pikepdf.Name.FlateDecode}


def pdf(
    image: Image.Image,
    stored: bytes,
    how: dict[str, object],
    *,
    alpha: Image.Image | None = None,
    content: bytes = FULL_PAGE,
) -> bytes:
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
        if alpha is not None:
            picture.SMask = _mask(made, alpha)
        page.Resources = pikepdf.Dictionary(XObject=pikepdf.Dictionary(Im1=picture))
        page.Contents = made.make_stream(content)
        file = BytesIO()
        made.save(file)
    return file.getvalue()


def _mask(made: pikepdf.Pdf, alpha: Image.Image) -> pikepdf.Object:
    mask = pikepdf.Stream(made, alpha.tobytes(), Type=pikepdf.Name.XObject)
    mask.Subtype, mask.ColorSpace = pikepdf.Name.Image, pikepdf.Name.DeviceGray
    mask.Width, mask.Height = alpha.size
    mask.BitsPerComponent = 8
    return mask


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


@pytest.mark.parametrize("store", [fax, flat])
def test_a_scan_may_be_stored_with_black_and_white_exchanged(tmp_path: Path, store: Store) -> None:
    stored, how = store(ImageOps.invert(bilevel_page()))
    content = pdf(bilevel_page(), stored, how | {"Decode": pikepdf.Array([1, 0])})
    assert np.array_equal(loaded(tmp_path, content), np.asarray(bilevel_page()) * 255)


def test_a_clip_around_the_page_is_none(tmp_path: Path) -> None:
    page = bilevel_page()
    content = pdf(page, *fax(page), content=CLIPPED)
    assert np.array_equal(loaded(tmp_path, content), np.asarray(page) * 255)


def alike(pixels: Pixels, page: Image.Image) -> bool:
    """Whether the pixels, in a size of their own, show the page."""
    shown = Image.fromarray(pixels).resize(page.size, Image.Resampling.BOX)
    return bool(np.abs(np.asarray(shown, int) - np.asarray(page.convert("L"), int)).mean() < 8)


@pytest.mark.parametrize("store", [fax, jbig2, flat])
@pytest.mark.parametrize("ink", [b"0 g ", b"1 0 0 rg "], ids=["black", "red"])
def test_a_stencil_is_drawn_in_its_colour(tmp_path: Path, store: Store, ink: bytes) -> None:
    stored, how = store(bilevel_page())
    content = pdf(bilevel_page(), stored, how | {"ImageMask": True}, content=ink + FULL_PAGE)
    wanted = np.where(np.asarray(bilevel_page()), 255, 76 if b"rg" in ink else 0)
    assert alike(loaded(tmp_path, content), Image.fromarray(wanted.astype(np.uint8)))


def test_a_scan_in_a_layer_that_is_off_is_not_read(tmp_path: Path) -> None:
    page = bilevel_page()
    with pikepdf.open(BytesIO(pdf(page, *fax(page), content=IN_LAYER))) as made:
        layer = made.make_indirect(pikepdf.Dictionary(Type=pikepdf.Name.OCG, Name="A layer"))
        made.pages[0].Resources.Properties = pikepdf.Dictionary(Layer=layer)
        made.Root.OCProperties = pikepdf.Dictionary(OCGs=[layer], D=pikepdf.Dictionary(OFF=[layer]))
        file = BytesIO()
        made.save(file)
    assert np.all(loaded(tmp_path, file.getvalue()) == 255)


def test_a_text_that_is_all_in_its_mask_is_seen(tmp_path: Path) -> None:
    black = Image.new("RGB", gray_page().size)
    content = pdf(black, *flat(black), alpha=ImageOps.invert(gray_page()))
    assert alike(loaded(tmp_path, content), gray_page())


def test_what_a_mask_hides_is_not_read(tmp_path: Path) -> None:
    empty = Image.new("L", gray_page().size)
    content = pdf(coloured_page(), *flat(coloured_page()), alpha=empty)
    assert loaded(tmp_path, content).min() == 255


def test_a_colour_that_is_the_key_of_a_mask_is_paper(tmp_path: Path) -> None:
    keyed = {"Mask": pikepdf.Array([0, 250])}
    stored, how = flat(gray_page())
    assert loaded(tmp_path, pdf(gray_page(), stored, how | keyed)).min() > 240


@pytest.mark.parametrize("clip", [LOWER_HALF, ROUND], ids=["half", "round"])
def test_what_lies_outside_a_clip_is_not_read(tmp_path: Path, clip: bytes) -> None:
    black = Image.new("L", gray_page().size)
    pixels = loaded(tmp_path, pdf(black, *flat(black), content=clip))
    assert (pixels[1, 1], pixels[-2, 1]) == (255, 0)


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
