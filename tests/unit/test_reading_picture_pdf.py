from io import BytesIO
from pathlib import Path

import pikepdf
from PIL import Image

from docmill.adapters import sniff
from docmill_ocr import picture_pdf

SIDEWAYS = 6


def document(png: bytes, folder: Path) -> pikepdf.Pdf:
    source, target = folder / "page.png", folder / "page.pdf"
    source.write_bytes(png)
    picture_pdf.write(source, sniff.PNG, target, 10**6)
    return pikepdf.open(target)


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
        (image,) = made.pages[0].Resources.XObject.as_dict().values()
        assert image.read_raw_bytes().startswith(b"no zlib")


def test_a_png_that_tells_how_it_lies_behind_its_pixels_is_turned(tmp_path: Path) -> None:
    early = png(SIDEWAYS)
    exif, pixels, end = (early.index(kind) - 4 for kind in (b"eXIf", b"IDAT", b"IEND"))
    late = early[:exif] + early[pixels:end] + early[exif:pixels] + early[end:]
    with document(late, tmp_path) as made:
        assert made.pages[0].rotation == 90
