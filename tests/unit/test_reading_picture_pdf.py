from io import BytesIO
from pathlib import Path

import numpy as np
import pikepdf
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngImageFile

from docmill.adapters import sniff
from docmill.testing import documents
from docmill.testing.pictures import encoded
from docmill_ocr import picture_pdf
from tests.stack import tiffs

SIDEWAYS = 6


def document(picture: bytes, folder: Path, media_type: str = sniff.PNG) -> pikepdf.Pdf:
    source, target = folder / "page", folder / "page.pdf"
    source.write_bytes(picture)
    picture_pdf.write(source, media_type, target, 10**7)
    assert {path.name for path in folder.iterdir()} == {"page", "page.pdf"}
    return pikepdf.open(target)


def picture(page: pikepdf.Page) -> pikepdf.Stream:
    (image,) = page.get_images().values()
    assert isinstance(image, pikepdf.Stream)
    return image


def png(orientation: int = 1) -> bytes:
    file, exif = BytesIO(), Image.Exif()
    if orientation != 1:
        exif[0x0112] = orientation
    Image.new("L", (30, 20), 128).save(file, "PNG", exif=exif)
    return file.getvalue()


def test_a_png_is_taken_over_without_being_decoded(tmp_path: Path) -> None:
    sound = png()
    at = sound.index(b"IDAT") + 4
    broken = sound[:at] + b"no zlib" + sound[at + 7 :]
    with document(broken, tmp_path) as made:
        assert picture(made.pages[0]).read_raw_bytes().startswith(b"no zlib")


def test_a_png_that_tells_how_it_lies_behind_its_pixels_is_turned(tmp_path: Path) -> None:
    early = png(SIDEWAYS)
    exif, pixels, end = (early.index(kind) - 4 for kind in (b"eXIf", b"IDAT", b"IEND"))
    late = early[:exif] + early[pixels:end] + early[exif:pixels] + early[end:]
    with document(late, tmp_path) as made:
        assert made.pages[0].rotation == 90


def test_what_is_stored_anew_is_not_decoded_after_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PngImageFile, "load_prepare", None)
    bitmap = encoded(Image.new("L", (30, 20), 128), "BMP")
    with document(bitmap, tmp_path, sniff.BMP) as made:
        assert picture(made.pages[0]).Filter == pikepdf.Name.FlateDecode


# ── TIFF ─────────────────────────────────────────────────────────────────────────────────────────
def test_a_fax_is_taken_over_as_it_is(tmp_path: Path) -> None:
    page = documents.page_image(dpi=100).convert("1")
    fax = encoded(page, "TIFF", compression="group4", tiffinfo={278: page.height})
    with document(fax, tmp_path, sniff.TIFF) as made:
        image = picture(made.pages[0])
        assert [image.read_raw_bytes()] == tiffs.strips(fax)
        shown = pikepdf.PdfImage(image).as_pil_image()
        assert np.array_equal(np.asarray(shown), np.asarray(page))


@pytest.mark.parametrize("strip", [16, 2000], ids=["many strips", "one strip"])
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_a_jpeg_in_a_tiff_stays_one(tmp_path: Path, mode: str, strip: int) -> None:
    page = documents.page_image(dpi=100).convert(mode)
    stored = encoded(page, "TIFF", compression="jpeg", tiffinfo={278: strip})
    with document(stored, tmp_path, sniff.TIFF) as made:
        image = picture(made.pages[0])
        assert image.Filter == pikepdf.Name.DCTDecode
        assert len(image.read_raw_bytes()) < 1.2 * len(stored)
        shown = pikepdf.PdfImage(image).as_pil_image()
    with Image.open(BytesIO(stored)) as wanted:
        assert np.abs(np.asarray(shown, int) - np.asarray(wanted, int)).mean() < 0.1


def test_frames_of_all_kinds_keep_their_places(tmp_path: Path) -> None:
    frames = [documents.page_image(dpi=100).convert(mode) for mode in ("1", "L", "RGB")]
    for frame, kind in zip(frames, ("group4", "jpeg", "tiff_lzw"), strict=True):
        frame.encoderinfo = {"compression": kind, "tiffinfo": {278: frame.height}}
    stored = encoded(frames[0], "TIFF", save_all=True, append_images=frames[1:])
    with document(stored, tmp_path, sniff.TIFF) as made:
        kinds = [pikepdf.PdfImage(picture(page)).filters for page in made.pages]
    assert kinds == [["/CCITTFaxDecode"], ["/DCTDecode"], ["/FlateDecode"]]


@pytest.mark.parametrize("oddity", [{274: 6}, {34675: b"profile"}], ids=["turned", "coloured"])
def test_what_a_jpeg_alone_would_not_show_is_stored_anew(
    tmp_path: Path, oddity: dict[int, object]
) -> None:
    page = documents.page_image(dpi=100)
    stored = encoded(page, "TIFF", compression="jpeg", tiffinfo=oddity)
    with document(stored, tmp_path, sniff.TIFF) as made:
        assert picture(made.pages[0]).Filter == pikepdf.Name.FlateDecode
