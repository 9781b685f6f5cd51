"""Pages as pictures: printed text, and what scanners and cameras do to it."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any, Final

from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageFont

A4_INCHES: Final = (8.27, 11.69)
_PAPER: Final = 250
_INK: Final = 20
Font = ImageFont.FreeTypeFont


def font(points: float, dpi: int) -> Font:
    """Return Pillow's built-in face, so that no font file is needed."""
    made = ImageFont.load_default(size=points * dpi / 72)
    assert isinstance(made, Font)
    return made


@dataclass(frozen=True, slots=True)
class Sheet:
    """How a page of text is set."""

    dpi: int = 200
    points: float = 11
    margin_inches: float = 0.9
    inches: tuple[float, float] = A4_INCHES

    @property
    def size(self) -> tuple[int, int]:
        return round(self.inches[0] * self.dpi), round(self.inches[1] * self.dpi)

    @property
    def margin(self) -> int:
        return round(self.margin_inches * self.dpi)


def wrapped(text: str, face: Font, width: float) -> Iterator[str]:
    """Break the text into lines no wider than so many pixels."""
    line = ""
    for word in text.split():
        longer = f"{line} {word}".strip()
        if line and face.getlength(longer) > width:
            yield line
            longer = word
        line = longer
    yield line


def printed(texts: Sequence[str], sheet: Sheet) -> Image.Image:
    """Print paragraphs on one grayscale page; what does not fit is left out."""
    image = Image.new("L", sheet.size, _PAPER)
    pen, face = ImageDraw.Draw(image), font(sheet.points, sheet.dpi)
    step, top = round(sheet.points * sheet.dpi / 72 * 1.45), sheet.margin
    for text in texts:
        for line in wrapped(text, face, sheet.size[0] - 2 * sheet.margin):
            pen.text((sheet.margin, top), line, fill=_INK, font=face)
            top += step
        top += step
    return image


def scanned(image: Image.Image, seed: int) -> Image.Image:
    """Soften the page and add the faint grain of a scanner."""
    grain = random.Random(seed).randbytes(image.width * image.height)
    noise = Image.frombytes("L", image.size, grain).point(lambda value: value // 32)
    return ImageChops.subtract(image.filter(ImageFilter.GaussianBlur(0.5)), noise)


def photographed(image: Image.Image, *, degrees: float = 1.5) -> Image.Image:
    """Light the page unevenly, on a darker table, a little askew."""
    turned = image.rotate(degrees, Image.Resampling.BICUBIC, expand=True, fillcolor=_PAPER)
    light = Image.linear_gradient("L").resize(turned.size).point(lambda value: 120 + value // 2)
    lit = ImageChops.multiply(turned, light)
    table = Image.new("L", (lit.width + 80, lit.height + 80), 70)
    table.paste(lit, (40, 40))
    return table.convert("RGB")


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    """Return the picture as a file of the named Pillow format."""
    file = BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()
