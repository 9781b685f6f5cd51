"""Picture files through Pillow: sizes from headers first, pixels only within the budget."""

import math
import struct
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFile
from PIL import TiffImagePlugin as Tiff
from PIL.JpegImagePlugin import JpegImageFile

from docmill.adapters import room, sniff
from docmill.domain.rejection import CorruptFile, TooManyPixels

Pixels = npt.NDArray[np.uint8]

DEFAULT_MAX_PIXELS: Final = 600_000_000
_HUGE: Final = 64_000_000  # pixels that are not decoded only to find damage
_FORMATS: Final[Mapping[str, str]] = {
    sniff.PNG: "PNG",
    sniff.JPEG: "JPEG",
    sniff.TIFF: "TIFF",
    sniff.WEBP: "WEBP",
    sniff.BMP: "BMP",
}
_ORIENTATION: Final = 0x0112
_WHITE_IS_ZERO: Final = 0
_SIDEWAYS: Final = frozenset({5, 6, 7, 8})
_UPRIGHT: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
REDUCIBLE: Final = frozenset({"L", "LA", "RGB", "RGBA", "CMYK"})
_SANE_DPI: Final = range(50, 2401)  # cameras write 1 or 72000 as readily as the truth
_A4_LONG_SIDE_INCHES: Final = 11.69
# What Pillow and its codecs raise on damaged files, as seen in its own fuzzing corpus.
DAMAGE: Final = (OSError, SyntaxError, ValueError, TypeError, KeyError, IndexError, EOFError,
                  OverflowError, ZeroDivisionError, struct.error)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One page of a picture file as its header describes it, shown upright."""

    number: int
    width: int
    height: int
    dpi: tuple[float, float] | None  # across and down; None where the file does not say

    @property
    def print_dpi(self) -> tuple[float, float]:
        """The file's resolution, or one that fits the longer side on A4."""
        if self.dpi:
            return self.dpi
        guess = max(72.0, max(self.width, self.height) / _A4_LONG_SIDE_INCHES)
        return guess, guess


@contextmanager
def opened(path: Path, media_type: str, max_pixels: int) -> Iterator[ImageFile.ImageFile]:
    """Open a picture file of the given type; raise CorruptFile or TooManyPixels.

    Damage found while the block decodes is CorruptFile too. Each frame's size is checked by
    `frame`, for Pillow's own guard is one number for the whole process.
    """
    Image.MAX_IMAGE_PIXELS = None
    with _translated(path), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # metadata oddities that do not touch the pixels
        # A file, not a name: by name Pillow 13.0 maps uncompressed TIFFs into memory, and then
        # garbles those that are to be turned.
        with path.open("rb") as file, Image.open(file, formats=(_FORMATS[media_type],)) as image:
            _within(image.size, max_pixels)
            yield image


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        yield
    except DAMAGE as exc:
        raise CorruptFile(f"{path.name}: {exc}") from exc


def _within(size: tuple[int, int], max_pixels: int) -> None:
    if size[0] * size[1] > max_pixels:
        raise TooManyPixels(f"{size[0]} x {size[1]} pixels, allowed are {max_pixels}")


def check_room(image: Image.Image) -> None:
    """Raise MemoryError where there is no room to decode a JPEG that comes in passes."""
    room.ask(_passes(image), "a progressive JPEG")


def passes_of(jpeg: bytes) -> int:
    """Return the bytes that the passes of a JPEG take; 0 for what is none."""
    Image.MAX_IMAGE_PIXELS = None
    with suppress(*DAMAGE), Image.open(BytesIO(jpeg), formats=("JPEG",)) as image:
        return _passes(image)
    return 0


def _passes(image: Image.Image) -> int:
    """All of them are kept whole until the last is read, however small the picture is drawn."""
    if not (isinstance(image, JpegImageFile) and image.info.get("progressive")):
        return 0
    steps = [(across, down) for _, across, down, _ in image.layer]
    finest = max(across for across, _ in steps) * max(down for _, down in steps)
    layers = sum(across * down for across, down in steps) / finest
    return round(2 * image.width * image.height * layers)


def frame_count(image: ImageFile.ImageFile) -> int:
    """Return how many pages the file has; the frames of an animation are one page."""
    return int(getattr(image, "n_frames", 1)) if image.format == "TIFF" else 1


def frame(image: ImageFile.ImageFile, number: int, max_pixels: int) -> Frame:
    """Go to page `number` (from 1) and describe it without decoding it."""
    if image.format == "TIFF":
        image.seek(number - 1)
    _within(image.size, max_pixels)
    width, height = image.size
    dpi = _dpi(image.info)
    if _orientation(image) in _SIDEWAYS:
        dpi = dpi and (dpi[1], dpi[0])
        if image.format != "TIFF":  # Pillow gives a TIFF's size already turned
            width, height = height, width
    return Frame(number=number, width=width, height=height, dpi=dpi)


def _orientation(image: Image.Image) -> int:
    if image.format == "PNG" and "exif" not in image.info:
        return 1  # asking further would decode the whole picture to see what follows it
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except DAMAGE:
        return 1  # what is said about the pixels is damaged, not they


def _dpi(info: Mapping[Any, Any]) -> tuple[float, float] | None:
    across, down = (round(float(value), 1) for value in info.get("dpi", (0, 0)))
    # A TIFF's n/0 is no number.
    sane = all(math.isfinite(each) and round(each) in _SANE_DPI for each in (across, down))
    return (across, down) if sane else None


def verify(image: ImageFile.ImageFile) -> None:
    """Find truncation and damage as cheaply as the format allows.

    PNG: the checksums of its chunks. JPEG: decoded at an eighth. Others: decoded unless they are
    huge. A PNG cannot be read through the same image afterwards.
    """
    if image.format == "PNG":
        image.verify()
        return
    check_room(image)
    image.draft("L", (image.width // 8, image.height // 8))
    if image.width * image.height <= _HUGE:
        image.load()


def upright_image(image: Image.Image) -> Image.Image:
    """Return the picture turned as its file asks; itself, not a copy, when nothing is asked."""
    image.load()  # which turns a TIFF by itself, and drops its orientation
    turn = _UPRIGHT.get(_orientation(image))
    return image if turn is None else image.transpose(turn)


def flattened(image: Image.Image) -> Image.Image:
    """Return the picture upright, in 1, L or RGB, with transparency laid on white."""
    upright = upright_image(image)
    if upright.mode in {"1", "L", "RGB"} and "transparency" not in upright.info:
        return upright
    if upright.mode.startswith(("I", "F")):
        return Image.fromarray(_eight_bits(np.asarray(upright), getattr(image, "tag_v2", {})))
    if not upright.has_transparency_data:
        return upright.convert("RGB")
    paper = Image.new("RGBA", upright.size, "white")
    return Image.alpha_composite(paper, upright.convert("RGBA")).convert("RGB")


def _eight_bits(deep: npt.NDArray[Any], tags: Mapping[int, Any]) -> Pixels:
    """Return deep grays as 256; what the tags of a TIFF say of them Pillow 13.0 leaves to us."""
    if np.issubdtype(deep.dtype, np.integer):
        bits = 12 if tags.get(Tiff.BITSPERSAMPLE) == (12,) else 16
        deep = deep >> (bits - 8)
    else:
        deep = deep * (255 / max(1.0, float(deep.max())))
    gray: Pixels = np.clip(deep, 0, 255).astype(np.uint8)
    return ~gray if tags.get(Tiff.PHOTOMETRIC_INTERPRETATION) == _WHITE_IS_ZERO else gray


def gray(image: Image.Image, most: int) -> Pixels:
    """Decode to an upright grayscale array of at most `most` pixels, reduced by whole factors.

    Raise MemoryError.
    """
    check_room(image)
    if (factor := _factor(image, most)) > 1:
        image.draft("L", (image.width // factor, image.height // factor))  # JPEG only
    if (factor := _factor(image, most)) > 1 and image.mode in REDUCIBLE:
        image = image.reduce(factor)  # before conversions multiply the memory
    flat = flattened(image).convert("L")
    factor = _factor(flat, most)
    return np.asarray(flat.reduce(factor) if factor > 1 else flat)


def _factor(image: Image.Image, most: int) -> int:
    return math.ceil(math.sqrt(image.width * image.height / most))
