"""Pages with known text in known states: what the quality of reading is measured on.

The `TUNING` set is for choosing thresholds; its typefaces, sentences and seeds have nothing in
common with those of the `HELD_OUT` set, on which results are reported.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final
from zlib import crc32

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from docmill.testing.degradation import DEGRADATIONS, Degrade, Pixels, clean
from docmill.testing.passage import SENTENCES
from docmill.testing.pictures import Font, wrapped

CLEAN: Final = "clean"
DPI: Final = 200
_SIZE: Final = (8.27, 6.2)  # inches: the upper half of an A4 page
FACES: Final = Path("/usr/share/fonts/truetype")


class Part(StrEnum):
    """Which of the two sets."""

    TUNING = "tuning"
    HELD_OUT = "held out"


TYPEFACES: Final = {
    Part.TUNING: ("dejavu/DejaVuSans.ttf", "dejavu/DejaVuSerif.ttf", "dejavu/DejaVuSansMono.ttf"),
    Part.HELD_OUT: (
        "liberation/LiberationSerif-Regular.ttf",
        "liberation/LiberationSans-Regular.ttf",
        "liberation/LiberationMono-Regular.ttf",
    ),
}
_OTHER_SENTENCES: Final = (
    "We refer to your order of 14 May and confirm delivery by the end of June.",
    "Most of the damage was found below the waterline, near the second frame.",
    "Applicants must enclose two photographs and a copy of their passport.",
    "Between 1871 and 1890 the number of looms in the valley nearly doubled.",
    "A quick answer would help us, since the hall has to be booked by Friday.",
    "Mr. Whitlock objected; his brother, who owned the quarry, did not.",
    "Keep the vial upright, shake it gently and use it within six hours.",
    "Item 27 of the agenda was put off because the figures had not arrived.",
    "The judge asked whether the parcel had been weighed before it was sealed.",
    "At low tide one could walk from the pier to the wreck in half an hour.",
    "Gross income rose by 4.5 percent, while costs fell for the third year.",
    "Every pupil over twelve was expected to know the names of the planets.",
    "Write clearly, use black ink, and leave the grey boxes empty.",
    "The orchestra tuned twice, waited, and began without its conductor.",
    "Six of the nine samples showed traces of zinc, and one of mercury.",
    "Her handwriting was so small that the printer asked for a magnifying glass.",
    "Turn left at the chapel, cross the yard and ring the upper bell.",
    "No refund can be given on tickets bought from a third party.",
    "What the expedition brought home filled eleven crates and one jar.",
    "The lease ends on 31 December unless either side extends it in writing.",
)
_TEXTS: Final = {Part.TUNING: SENTENCES, Part.HELD_OUT: _OTHER_SENTENCES}
FIRST_SEED: Final = {Part.TUNING: 0, Part.HELD_OUT: 5000}


@dataclass(frozen=True, slots=True, kw_only=True)
class Specimen:
    """One page: its pixels, what is printed on it, and its resolution as a scanner would tell."""

    kind: str
    name: str
    pixels: Pixels
    text: str
    dpi: int


def specimens(part: Part, each: int = 6) -> Iterator[Specimen]:
    """Yield so many pages of every kind, clean ones first; the same pages every time."""
    for kind, degrade in {CLEAN: clean, **DEGRADATIONS}.items():
        for number in range(each):
            yield specimen(part, kind, degrade, number)


def specimen(part: Part, kind: str, degrade: Degrade, number: int) -> Specimen:
    """Make one page."""
    seed = FIRST_SEED[part] + number
    typeface = TYPEFACES[part][number % len(TYPEFACES[part])]
    texts = _columns(part, seed)
    page = np.asarray(_printed(texts, ImageFont.truetype(FACES / typeface, _height(seed))))
    made = degrade(page, np.random.default_rng([seed, crc32(kind.encode())]))
    dpi = round(DPI * made.shape[1] / page.shape[1]) if kind == "low dpi" else DPI
    return Specimen(kind=kind, name=f"{kind} {seed}", pixels=made, text="\n".join(texts), dpi=dpi)


def _height(seed: int) -> float:
    """Return 9.5 to 12 points in pixels."""
    return (9.5 + seed % 6 * 0.5) * DPI / 72


def _columns(part: Part, seed: int) -> Sequence[str]:
    """Return one or two columns of sentences, drawn without repetition as far as they go."""
    draw = random.Random(seed)
    chosen = draw.sample(_TEXTS[part], 14)
    return [" ".join(chosen)] if seed % 3 else [" ".join(chosen[:7]), " ".join(chosen[7:])]


def _printed(columns: Sequence[str], face: Font) -> Image.Image:
    width, height = (round(side * DPI) for side in _SIZE)
    page = Image.new("L", (width, height), 250)
    pen, margin, gutter = ImageDraw.Draw(page), round(0.8 * DPI), round(0.35 * DPI)
    measure = (width - 2 * margin - gutter * (len(columns) - 1)) // len(columns)
    for index, text in enumerate(columns):
        left, top = margin + index * (measure + gutter), round(0.7 * DPI)
        for line in wrapped(text, face, measure):
            pen.text((left, top), line, fill=25, font=face)
            top += round(face.size * 1.4)
    return page
