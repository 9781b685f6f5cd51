"""How the print of a page stands out from its paper, in gray levels of a preview."""

from dataclasses import dataclass
from typing import Final, Self

import cv2
import numpy as np

from docmill.adapters.image import Pixels
from docmill_ocr import measure

_INK: Final = (20, 50)  # how much darker than paper it is, at least and at most ...
_INK_SHARE: Final = 0.33  # ... of what most of the print is
_GRAINS: Final = 5  # times that anything printed is darker than what most of the page is: grain
_SOME: Final = 0.0005  # of the page; half a line of print
_MOST: Final = 0.9  # of the print
_UNEVEN: Final = (
    10,
    45,
)  # from the paper's darkest to its lightest parts, at least and at most ...
_UNEVEN_SHARE: Final = 0.3  # ... of what most of the print is darker by


@dataclass(frozen=True, slots=True, kw_only=True)
class Contrast:
    """What is darker than paper, and how much of that is print."""

    darkness: Pixels  # by how much each pixel of the preview is darker than its paper
    usual: int | None  # by how much most of the print is; None where there is next to none
    least: int  # by how much ink is, at least

    @classmethod
    def of(cls, small: Pixels, paper: Pixels) -> Self:
        darkness = np.asarray(cv2.subtract(paper, small), np.uint8)
        counts = measure.levels(darkness[::2])
        least = min(_INK[1], max(_INK[0], _GRAINS * measure.reached(counts, 0.5)))
        above = np.where(np.arange(counts.size) > least, counts, 0)
        if above.sum() < _SOME * counts.sum():
            return cls(darkness=darkness, usual=None, least=_INK[1])
        usual = measure.reached(above, _MOST)
        least = max(least, min(_INK[1], round(_INK_SHARE * usual)))
        return cls(darkness=darkness, usual=usual, least=least)

    @property
    def ink(self) -> Pixels:
        """1 where the page is clearly darker than its paper, else 0."""
        return (self.darkness > self.least).view(np.uint8)

    @property
    def uneven(self) -> float:
        """How far apart the lightest and the darkest paper are where print can be lost in it.

        The engine takes paper in the shade for print where print is not much darker.
        """
        least, most = _UNEVEN
        return most if self.usual is None else max(least, min(most, _UNEVEN_SHARE * self.usual))
