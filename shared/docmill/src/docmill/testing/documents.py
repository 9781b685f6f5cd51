"""Documents made from nothing, always the same bytes: what tests and the demo feed the mill."""

import struct
import zlib
from io import BytesIO
from pathlib import Path
from typing import Final

import pikepdf
from pikepdf import Array, Dictionary, Name, Pdf, Stream, String
from PIL import Image, ImageDraw

from docmill.testing.passage import paragraphs, prose
from docmill.testing.pictures import Sheet, encoded, font, photographed, printed, scanned, wrapped

_A4_POINTS: Final = (595, 842)

RECEIPT: Final = (
    "CORNER GROCERY",
    "12 Station Road",
    "Date 2026-03-14  Time 09:26",
    "Milk                 1.20",
    "Bread                2.45",
    "Apples               3.10",
    "Coffee               5.99",
    "TOTAL               12.74",
    "Paid by card",
    "Thank you and come again",
)


def page_text(page: int, count: int = 4) -> list[str]:
    """Return the paragraphs that page `page` (from 1) of a made document carries."""
    return [f"Page {page} of the sample document.", *paragraphs(page, count)]


# ── pictures ─────────────────────────────────────────────────────────────────────────────────────
def page_image(page: int = 1, *, dpi: int = 200, count: int = 4) -> Image.Image:
    """One A4 page as a clean grayscale picture."""
    return printed(page_text(page, count), Sheet(dpi=dpi))


def page_png(page: int = 1, *, dpi: int = 200, count: int = 4) -> bytes:
    return encoded(page_image(page, dpi=dpi, count=count), "PNG", dpi=(dpi, dpi))


def page_jpeg(page: int = 1, *, dpi: int = 200, orientation: int = 1) -> bytes:
    """A JPEG whose EXIF orientation says how to turn it; upright by default."""
    turned = {1: 0, 3: 180, 6: 90, 8: 270}[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = page_image(page, dpi=dpi).rotate(turned, expand=True)
    return encoded(stored, "JPEG", quality=85, dpi=(dpi, dpi), exif=exif)


def dense_text(seed: int, characters: int = 2400) -> str:
    """Return what `dense_page` of the same seed shows."""
    return prose(seed, characters)


def dense_page(seed: int, dpi: int = 200, characters: int = 2400) -> bytes:
    """An A4 grayscale PNG full of text: what the speed of the pipeline is measured with."""
    sheet = Sheet(dpi=dpi, points=10.5)
    return encoded(printed([dense_text(seed, characters)], sheet), "PNG", dpi=(dpi, dpi))


def blank_page(dpi: int = 100) -> bytes:
    return encoded(Image.new("L", Sheet(dpi=dpi).size, 255), "PNG", dpi=(dpi, dpi))


def receipt_photo() -> bytes:
    """A JPEG of a till receipt: uneven light, slightly askew, on a dark table."""
    image = Image.new("L", (900, 1150), 245)
    pen, face = ImageDraw.Draw(image), font(28, 100)
    for index, line in enumerate(RECEIPT):
        name, _, amount = line.partition("   ")
        pen.text((90, 90 + index * 95), name, fill=35, font=face)
        amount = amount.strip()
        pen.text((810 - face.getlength(amount), 90 + index * 95), amount, fill=35, font=face)
    return encoded(photographed(scanned(image, seed=7)), "JPEG", quality=80)


def tiff(pages: int = 2, *, dpi: int = 200) -> bytes:
    """A bilevel, Group 4 compressed TIFF, as fax machines and scanners make it."""
    first, *others = (_bilevel(page_image(page, dpi=dpi)) for page in range(1, pages + 1))
    return encoded(
        first,
        "TIFF",
        save_all=True,
        append_images=others,
        compression="group4",
        dpi=(dpi, dpi),
    )


def turned_tiff() -> bytes:
    """A TIFF whose orientation tag says to turn it by 90 degrees."""
    stored = page_image().rotate(90, expand=True)
    return encoded(stored, "TIFF", tiffinfo={0x0112: 6}, dpi=(200, 200))


def _bilevel(image: Image.Image) -> Image.Image:
    return image.convert("1", dither=Image.Dither.NONE)


def two_column_scan() -> bytes:
    """A picture of a page with two columns."""
    sheet = Image.new("L", (1654, 1000), 250)
    for column in (0, 1):
        face, top = font(9, 200), 120
        for line in wrapped(prose(column, 500), face, 640):
            ImageDraw.Draw(sheet).text((140 + 740 * column, top), line, fill=25, font=face)
            top += 36
    return encoded(sheet, "PNG", dpi=(200, 200))


def upside_down() -> bytes:
    return encoded(page_image().rotate(180), "PNG", dpi=(200, 200))


def skewed(degrees: float = 6) -> bytes:
    turned = page_image().rotate(degrees, Image.Resampling.BICUBIC, fillcolor=250)
    return encoded(turned, "PNG", dpi=(200, 200))


def transparent() -> bytes:
    """Black text on nothing: read as black on black unless alpha is laid on white."""
    clear = Image.new("RGBA", (900, 300), (0, 0, 0, 0))
    pen, face = ImageDraw.Draw(clear), font(11, 200)
    for index, line in enumerate(wrapped(prose(3, 100), face, 840)):
        pen.text((30, 30 + index * 60), line, fill=(0, 0, 0, 255), font=face)
    return encoded(clear, "PNG", dpi=(200, 200))


# ── PDF ──────────────────────────────────────────────────────────────────────────────────────────
def _saved(pdf: Pdf, **options: object) -> bytes:
    file = BytesIO()
    pdf.save(file, **({"deterministic_id": True} | options))  # type: ignore[arg-type]  # any option
    return file.getvalue()


def _helvetica(pdf: Pdf) -> pikepdf.Object:
    face = Dictionary(Type=Name.Font, Subtype=Name.Type1, BaseFont=Name.Helvetica)
    face.Encoding = Name.WinAnsiEncoding
    return pdf.make_indirect(face)


def _quoted(text: str) -> str:
    return text.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")


def _typeset(texts: list[str], *, left: int = 64, width: int = 467, mode: int = 0) -> bytes:
    face = font(11, 72)
    lines: list[str] = []
    for text in texts:
        lines += [*wrapped(text, face, width), ""]
    shown = " T* ".join(f"({_quoted(line)}) Tj" for line in lines)
    return f"BT /F1 11 Tf {mode} Tr 15 TL {left} 770 Td {shown} ET\n".encode()


def _add_page(
    pdf: Pdf,
    content: bytes,
    *,
    image: pikepdf.Object | None = None,
    size: tuple[int, int] = _A4_POINTS,
) -> None:
    page = pdf.add_blank_page(page_size=size)
    page.Contents = pdf.make_stream(content)
    page.Resources = Dictionary(Font=Dictionary(F1=_helvetica(pdf)))
    if image is not None:
        page.Resources.XObject = Dictionary(Im1=image)


def _embedded(pdf: Pdf, image: Image.Image) -> pikepdf.Object:
    return Stream(
        pdf,
        encoded(image, "JPEG", quality=80),
        Type=Name.XObject,
        Subtype=Name.Image,
        Width=image.width,
        Height=image.height,
        ColorSpace=Name.DeviceGray,
        BitsPerComponent=8,
        Filter=Name.DCTDecode,
    )


_FULL_PAGE: Final = b"q 595 0 0 842 0 0 cm /Im1 Do Q\n"


def scanned_pdf(pages: int = 3, dpi: int = 200, *, rotate: int = 0) -> bytes:
    """Pages that are one full-page scan each, without a text layer."""
    with Pdf.new() as pdf:
        for page in range(1, pages + 1):
            scan = scanned(page_image(page, dpi=dpi), seed=page)
            image = _embedded(pdf, scan.rotate(rotate, expand=True))
            size = _A4_POINTS[::-1] if rotate % 180 else _A4_POINTS
            content = b"q %d 0 0 %d 0 0 cm /Im1 Do Q\n" % size
            _add_page(pdf, content, image=image, size=size)
            pdf.pages[-1].Rotate = rotate
        return _saved(pdf)


def ocred_pdf() -> bytes:
    """A scan with a good invisible text layer from an earlier OCR."""
    with Pdf.new() as pdf:
        image = _embedded(pdf, scanned(page_image(1), seed=1))
        _add_page(pdf, _FULL_PAGE + _typeset(page_text(1), mode=3), image=image)
        return _saved(pdf)


def born_digital_pdf(pages: int = 2) -> bytes:
    """Pages of live text, as a word processor writes them."""
    with Pdf.new() as pdf:
        for page in range(1, pages + 1):
            _add_page(pdf, _typeset(page_text(page)))
        return _saved(pdf)


def two_column_pdf() -> bytes:
    """One page with two columns, the left one written first."""
    columns = [page_text(page, 2) for page in (1, 2)]
    content = b"".join(
        _typeset(texts, left=left, width=215)
        for texts, left in zip(columns, (60, 320), strict=True)
    )
    with Pdf.new() as pdf:
        _add_page(pdf, content)
        return _saved(pdf)


def form_pdf(value: str) -> bytes:
    """A page of text with a form field that was filled in without redrawing it."""
    with Pdf.new() as pdf:
        _add_page(pdf, _typeset(page_text(1, 1)))
        field = Dictionary(
            Type=Name.Annot,
            Subtype=Name.Widget,
            FT=Name.Tx,
            T=String("name"),
            V=String(value),
            Rect=Array([64, 300, 364, 320]),
            DA=String("/F1 11 Tf"),
        )
        fields = Array([pdf.make_indirect(field)])
        pdf.pages[0].Annots = fields
        pdf.Root.AcroForm = Dictionary(Fields=fields)
        return _saved(pdf)


def mixed_pdf() -> bytes:
    """Page 1 live text, page 2 a scan, page 3 a scan stamped with one short line of text."""
    with Pdf.new() as pdf:
        _add_page(pdf, _typeset(page_text(1)))
        for page, over in ((2, b""), (3, b"BT /F1 9 Tf 40 20 Td (Copy 3 of 3) Tj ET")):
            scan = _embedded(pdf, scanned(page_image(page), seed=page))
            _add_page(pdf, _FULL_PAGE + over, image=scan)
        return _saved(pdf)


def pasted_pdf(*, rotate: int = 0) -> bytes:
    """One page of live text with a scanned clipping below it and one live line below that."""
    with Pdf.new() as pdf:
        scan = scanned(page_image(2, count=1), seed=2)
        clipping = scan.crop((0, 0, scan.width, scan.height * 3 // 10))
        pasted = b"q 595 0 0 253 0 80 cm /Im1 Do Q\n"
        footer = b"BT /F1 9 Tf 64 40 Td (Copy 3 of 3) Tj ET\n"
        content = _typeset(page_text(1, 2)) + pasted + footer
        _add_page(pdf, content, image=_embedded(pdf, clipping))
        pdf.pages[0].Rotate = rotate
        return _saved(pdf)


def garbage_layer_pdf() -> bytes:
    """Readable print whose text layer says something else: each code means another letter."""
    with Pdf.new() as pdf:
        _add_page(pdf, _typeset(page_text(1)))
        pdf.pages[0].Resources.Font.F1.ToUnicode = pdf.make_stream(_wrong_map())
        return _saved(pdf)


def _wrong_map() -> bytes:
    # Codes less 29: the glyph numbers that a subset TrueType font commonly has in their place.
    ranges = "<21> <7E> <0004>"
    return (
        "/CIDInit /ProcSet findresource begin 12 dict begin begincmap /CMapName /X def\n"
        "1 begincodespacerange <00> <FF> endcodespacerange\n"
        f"1 beginbfrange {ranges} endbfrange endcmap end end"
    ).encode()


def encrypted_pdf(*, owner_only: bool = False) -> bytes:
    """A PDF that asks for a password, or with `owner_only` one that opens but forbids changes."""
    with Pdf.open(BytesIO(born_digital_pdf(1))) as pdf:
        file = BytesIO()
        user = "" if owner_only else "open sesame"
        pdf.save(file, encryption=pikepdf.Encryption(user=user, owner="owner", R=6))
        return file.getvalue()


def blank_pdf(pages: int = 1) -> bytes:
    with Pdf.new() as pdf:
        for _ in range(pages):
            pdf.add_blank_page(page_size=_A4_POINTS)
        return _saved(pdf)


# ── hostile files ────────────────────────────────────────────────────────────────────────────────
def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def bomb_png(width: int = 100_000, height: int = 100_000) -> bytes:
    """A PNG of a few bytes that promises so many pixels."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    body = _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(bytes(1000)))
    return b"\x89PNG\r\n\x1a\n" + body + _chunk(b"IEND", b"")


def bomb_pdf(width: int = 100_000, height: int = 100_000) -> bytes:
    """A PDF whose one image promises so many pixels."""
    with Pdf.new() as pdf:
        image = _embedded(pdf, Image.new("L", (8, 8)))
        image.Width, image.Height = width, height
        _add_page(pdf, _FULL_PAGE, image=image)
        return _saved(pdf)


def truncated(document: bytes, share: float = 0.5) -> bytes:
    """Return the first part of a file, as a broken upload leaves it."""
    return document[: int(len(document) * share)]


def demo_documents(folder: Path) -> list[Path]:
    """Write the documents that the demo sends through the mill."""
    made = {
        "scanned-report.pdf": scanned_pdf(3),
        "born-digital.pdf": born_digital_pdf(2),
        "receipt-photo.jpg": receipt_photo(),
        "fax.tiff": tiff(2),
    }
    for name, content in made.items():
        (folder / name).write_bytes(content)
    return [folder / name for name in made]
