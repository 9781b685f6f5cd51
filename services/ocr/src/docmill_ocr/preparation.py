"""Makes a page ready to be read: each step only where a measurement of the page calls for it."""

from dataclasses import dataclass, replace
from typing import Final, Self

import cv2
import numpy as np

from docmill.adapters.image import Pixels
from docmill.domain.words import Step
from docmill_ocr import layout, light, measure, rules, transform
from docmill_ocr.contrast import Contrast
from docmill_ocr.page_image import View
from docmill_ocr.transform import Part

_SMALL: Final = 9.0  # pixels of a letter's height; smaller ones are enlarged
_READABLE: Final = 16.0  # what they are enlarged to
_MOST_ENLARGED: Final = 3.0
_LARGE: Final = 18.0  # pixels; the smaller letters of a page at 300 dpi have 18 to 24
_ENOUGH: Final = 12.0  # what they are shrunk to; a page at 200 dpi has 13 to 16
_MOST_SHRUNK: Final = 0.5
_LETTERS_CHANGED: Final = frozenset({Step.SHARPENED, Step.ENLARGED})
LARGEST_ENLARGED: Final = 6_000_000  # pixels before; memory grows with the square


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A page as the engine is to see it, and what was done to it."""

    view: View
    steps: tuple[Step, ...] = ()
    skew: float = 0.0  # degrees by which the lines fell to the right
    ink: float = 0.0  # share of the page
    blocks: tuple[Part, ...] = ()  # of lines, in turn, where the engine need not look for them

    def after(self, step: Step, view: View) -> Self:
        """Return the page after a step, the same page where the step did nothing."""
        return self if view is self.view else replace(self, view=view, steps=(*self.steps, step))

    def in_blocks(self, boxes: layout.Boxes, least: int) -> Self:
        """Have the engine read only what is in the boxes, provided that no ink is outside them.

        Ink is darker than the paper by at least so many gray levels.
        """
        blocks = transform.parts(self.view, boxes, least) if len(boxes) else ()
        return replace(self, blocks=blocks, steps=(*self.steps, Step.BLOCKS)) if blocks else self

    def as_any_page(self) -> Self:
        """Have the engine look for columns and pictures itself."""
        steps = tuple(step for step in self.steps if step != Step.BLOCKS)
        return replace(self, blocks=(), steps=steps)

    def filtered(self, where: Part) -> Self:
        flaws = measure.Flaws.of(self.view.pixels[where])
        if flaws.grainy:
            return self.after(Step.SMOOTHED, transform.smoothed(self.view))
        if flaws.speckled:
            return self.after(Step.DESPECKLED, transform.despeckled(self.view))
        return self.after(Step.SHARPENED, transform.sharpened(self.view)) if flaws.blurred else self

    def unruled(self, height: float, least: int) -> Self:
        return self.after(Step.UNRULED, rules.without(self.view, height, least))

    def sized(self, low: float, usual: float) -> Self:
        """Bring letters of a low and a usual height to what reading needs."""
        if low < _LARGE or Step.SHARPENED in self.steps:
            return self.enlarged(usual)
        factor = max(_ENOUGH / low, _MOST_SHRUNK)
        return self._resized(Step.SHRUNK, factor)

    def enlarged(self, height: float) -> Self:
        if not 0 < height < _SMALL or self.view.pixels.size > LARGEST_ENLARGED:
            return self
        factor = min(_READABLE / height, _MOST_ENLARGED)
        return self._resized(Step.ENLARGED, factor)

    def _resized(self, step: Step, factor: float) -> Self:
        page = self.after(step, transform.resized(self.view, factor))
        return replace(page, blocks=tuple(transform.scaled(part, factor) for part in self.blocks))

    def cleaned(self) -> Self:
        """Take faint grain away; what surrounds letters that were sharpened or enlarged is none."""
        if not _LETTERS_CHANGED.isdisjoint(self.steps):
            return self
        return self.after(Step.CLEANED, transform.cleaned(self.view))

    def leveled(self, skew: float) -> Self:
        if not skew:
            return self
        return replace(self.after(Step.LEVELED, transform.leveled(self.view, skew)), skew=skew)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mended:
    """A page without the flaws that any script reads badly with, and what was measured of it."""

    raw: View
    page: Prepared
    marks: Pixels  # its ink, small
    least: int  # gray levels that its ink is darker than paper by
    letters: tuple[float, float]  # a low and the usual height in pixels
    ruled: bool  # it may be: a table or a form
    skew: float

    @classmethod
    def of(cls, view: View) -> Self | None:
        """Measure a page and mend what is wrong with it, None where there is nothing to read.

        A sound page is left as it is.
        """
        small = transform.preview(view.pixels)
        if flat(small):
            return None
        background = light.paper(small)
        contrast = Contrast.of(small, background)
        marks = contrast.ink
        page = Prepared(view=view, ink=float(np.mean(marks)))
        if light.uneven(small, background, contrast):
            page = page.after(Step.EVENED, light.evened(view, background))
        where = measure.busiest(view.pixels, marks)
        page = page.filtered(where)
        letters = measure.letter_heights(page.view.pixels[where])
        skew = measure.skew(marks)
        return cls(
            raw=view,
            page=page,
            marks=marks,
            least=contrast.least,
            letters=letters,
            ruled=rules.shown(contrast.darkness),
            skew=skew,
        )

    def fitted(self, *, dense: bool) -> Prepared:
        """Return it level and clean, in the size that reading needs: larger for a dense script."""
        page = (self.page.enlarged(self.letters[1]) if dense else self._sized()).cleaned()
        return page if page.skew else page.leveled(self.skew)

    def _sized(self) -> Prepared:
        low, usual = self.letters
        page = self._unruled() if self.ruled else self.page
        if Step.UNRULED not in page.steps:
            page = page.in_blocks(self._blocks(), self.least)
        if low >= _LARGE and not page.blocks:  # in one square; smaller print must stay readable
            low, _ = measure.letter_heights(page.view.pixels)
        return page.sized(low, usual)

    def _unruled(self) -> Prepared:
        """Return the page level and without its upright rules, as it is where it has none."""
        page = self.page.leveled(self.skew).unruled(self.letters[1], self.least)
        return page if Step.UNRULED in page.steps else self.page

    def _blocks(self) -> layout.Boxes:
        """Return a box around each block of lines."""
        scale = self.marks.shape[1] / self.raw.pixels.shape[1]
        found = layout.blocks(self.marks, self.letters[1] * scale) if not self.skew else []
        boxes = [np.r_[lines[:, :2].min(axis=0), lines[:, 2:].max(axis=0)] for lines in found]
        return np.array(np.reshape(boxes, (-1, 4)) / scale, np.int32)


def flat(pixels: Pixels) -> bool:
    """Whether the page is one colour, so that there is nothing to read."""
    darkest, lightest, _, _ = cv2.minMaxLoc(pixels)
    return darkest == lightest
