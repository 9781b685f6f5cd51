"""Invisible text laid on the words of a page."""

from itertools import pairwise
from typing import Final

from docmill.adapters.pdf import Affine
from docmill.domain.words import PageText, Word
from docmill_ocr.glyphless import EM, WIDTH, Alphabet

FONT: Final = "/DocmillText"
_SMALLEST: Final = 0.1  # points; a font of size 0 is an error
# Where reading goes and where the letters' tops point, y down, by the page's rotation.
_DIRECTIONS: Final = {
    0: ((1, 0), (0, -1)),
    90: ((0, -1), (-1, 0)),
    180: ((-1, 0), (0, 1)),
    270: ((0, 1), (1, 0)),
}


def layer(page: PageText, shown: Affine, size: tuple[float, float], alphabet: Alphabet) -> bytes:
    """Return the content that writes the page's words unseen.

    `shown` takes the PDF page's own space to points as shown, `size` is the page's in points.
    """
    scale = size[0] / page.width, size[1] / page.height
    lines = [f"q {_numbers(*inverse(shown))} cm BT 3 Tr"]
    for word, following in pairwise((*page.words, None)):
        assert word is not None  # noqa: S101  # only the last one of the chain is
        space = " " if following and following.line == word.line else ""
        lines.append(_written(word, space, page.rotation, scale, alphabet))
    return "\n".join([*lines, "ET Q\n"]).encode("ascii")


def _written(
    word: Word, space: str, rotation: int, scale: tuple[float, float], alphabet: Alphabet
) -> str:
    (right, down), (up_x, up_y) = _DIRECTIONS[rotation]
    left, top = word.box[0] * scale[0], word.box[1] * scale[1]
    width, height = word.box[2] * scale[0] - left, word.box[3] * scale[1] - top
    # The corner where the baseline starts: behind the reading direction, below the letters' tops.
    x = left + width * ((right < 0) + (up_x < 0))
    y = top + height * ((down < 0) + (up_y < 0))
    length, tall = (width, height) if right else (height, width)
    font_size = max(tall, _SMALLEST)
    natural = len(word.text) * WIDTH / EM * font_size
    stretch = 100 * max(length, _SMALLEST) / natural
    matrix = _numbers(right, down, up_x, up_y, x, y)
    text = alphabet.encoded(word.text + space)
    return f"{FONT} {_numbers(font_size)} Tf {_numbers(stretch)} Tz {matrix} Tm {text} Tj"


def inverse(affine: Affine) -> Affine:
    """Return the affine map that undoes the given one."""
    a, b, c, d, e, f = affine
    det = a * d - b * c
    return (
        d / det,
        -b / det,
        -c / det,
        a / det,
        (c * f - d * e) / det,
        (b * e - a * f) / det,
    )


def _numbers(*values: float) -> str:
    # `+ 0.0` turns a minus zero into a plain one.
    return " ".join(f"{round(value, 5) + 0.0:.5f}".rstrip("0").rstrip(".") for value in values)
