"""Reading one page: once as a rule, and again another way where the first look went badly."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from statistics import median
from typing import Final

import numpy as np

from docmill.domain.words import Doubt, Look, Step, Strategy, Word, mean_confidence
from docmill_ocr import light, measure, script, transform
from docmill_ocr.contrast import Contrast
from docmill_ocr.engine import Engine, Recogniser
from docmill_ocr.page_image import View
from docmill_ocr.preparation import LARGEST_ENLARGED, Mended, Prepared
from docmill_ocr.transform import Part

_GOOD: Final = 75.0  # mean confidence of a page that needs no second look
_SOME_INK: Final = 0.002  # share of the page; dust is less
_FEW_CHARACTERS: Final = 12
_LONGER_WORD: Final = 4  # letters; shorter words may be higher than wide anyway
_SURE_WORD: Final = 50.0
_ROW: Final = 8  # characters of a row of dots
_REPEATED: Final = 4  # times that each of them stands there, on average
_SMALL_LETTERS: Final = 16  # pixels of a word's height; below it enlarging helps


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """The words of one look at a page, boxes in the pixels of the view they were read from."""

    page: Prepared
    words: Sequence[Word]
    rotation: int = 0
    strategy: Strategy = Strategy.PLAIN
    engine: str = ""  # its name and version, the languages it read and the models' versions
    looks: tuple[Look, ...] = ()  # at a page that was looked at more than once
    script: str = ""  # that the page seemed to be in, where that was asked for

    @property
    def view(self) -> View:
        return self.page.view

    @property
    def confidence(self) -> float:
        """The mean over characters."""
        return mean_confidence(self.words)

    @property
    def height(self) -> float:
        """The words' usual height in pixels; 0 without words."""
        return median(word.box[3] - word.box[1] for word in self.words) if self.words else 0.0

    def look(self, *, kept: bool = True) -> Look:
        """Return what to remember of it."""
        return Look(
            strategy=self.strategy,
            engine=self.engine,
            steps=self.page.steps,
            confidence=round(self.confidence, 1),
            doubt=self.doubt,
            kept=kept,
        )

    @property
    def doubt(self) -> Doubt | None:
        """What speaks against it."""
        return _doubt(self, self.page.ink)

    @property
    def plain(self) -> bool:
        """Whether one look at the page as it is was all."""
        return not (self.looks or self.page.steps) and self.strategy is Strategy.PLAIN

    @property
    def history(self) -> tuple[Look, ...]:
        """Every look at the page, in turn."""
        return self.looks or (self.look(),)


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads views in some languages, with one engine and, what goes badly, with another."""

    engine: Engine
    languages: Sequence[str]
    second: Recogniser | None = None

    def read(self, view: View) -> Reading:
        """Return the best reading; the common page is recognised exactly once."""
        mended = Mended.of(view)
        return self.read_mended(mended) if mended else self.blank(view)

    def blank(self, view: View) -> Reading:
        """Return the reading of a page on which there is nothing."""
        page, engine = Prepared(view=view), self._name(self.engine)
        return Reading(page=page, words=(), strategy=Strategy.BLANK, engine=engine)

    def read_mended(self, mended: Mended) -> Reading:
        first = self._first(mended.fitted(dense=script.dense(self.languages)))
        if first.doubt:
            return self._best(first, mended.raw)
        if _sideways(first.words):  # the engine reads such pages, but does not say so
            return replace(first, rotation=self.engine.upright(first.view.pixels))
        return first

    def _first(self, page: Prepared) -> Reading:
        """Look once; twice where dots lead from words to numbers.

        The engine leaves them out where it looks for them, and takes them for letters elsewhere.
        """
        first = self._look(page)
        if first.doubt is not Doubt.LEADERS:
            return first
        again = self._look_again(page)
        return replace(again, looks=(first.look(kept=False), again.look()))

    def _look(self, page: Prepared) -> Reading:
        view = page.view
        words = (
            list(self._in_blocks(page))
            if page.blocks
            else self.engine.recognise(view.pixels, self.languages, view.dpi)
        )
        return Reading(page=page, words=words, engine=self._name(self.engine))

    def _in_blocks(self, page: Prepared) -> Iterator[Word]:
        last: Word | None = None
        for part in page.blocks:
            picture, dpi = page.view.pixels[part], page.view.dpi
            words = self.engine.recognise(picture, self.languages, dpi, one_block=True)
            placed = _placed(words, part, last)
            yield from placed
            last = placed[-1] if placed else last

    def _look_again(self, page: Prepared) -> Reading:
        """Take nothing for granted: the engine looks for columns and pictures itself."""
        return self._look(page.as_any_page())

    def _name(self, engine: Recogniser) -> str:
        models = (f"{language}@{engine.model(language)}" for language in self.languages)
        return f"{engine.name} {'+'.join(models)}"

    def _best(self, first: Reading, view: View) -> Reading:
        """Try the remedies one after another, each upon the best so far."""
        tried = [first]
        untouched = partial(self._untouched, view)
        for remedy in (self._upright, self._searched, untouched, self._large, self._elsewhere):
            best = max(tried, key=_worth)
            if not best.doubt:
                break
            tried += remedy(best)
        best = max(tried, key=_worth)
        looks = (each.look(kept=each is best) for each in tried)
        return replace(best, looks=(*first.looks[:-1], *looks))

    def _upright(self, tried: Reading) -> Iterator[Reading]:
        turn = self.engine.upright(tried.view.pixels)
        if turn:
            page = tried.page.after(Step.TURNED, transform.turned(tried.view, turn))
            small = transform.preview(page.view.pixels)
            marks = Contrast.of(small, light.paper(small)).ink
            again = self._look_again(page.leveled(measure.skew(marks)))
            rotation = (tried.rotation + turn) % 360
            yield replace(again, rotation=rotation, strategy=Strategy.TURNED)

    def _searched(self, tried: Reading) -> Iterator[Reading]:
        if tried.page.blocks:
            yield replace(self._look_again(tried.page), strategy=Strategy.SEARCHED)

    def _untouched(self, view: View, tried: Reading) -> Iterator[Reading]:
        steps = set(tried.page.steps) - {Step.BLOCKS, Step.CLEANED}
        if tried.rotation or Step.SMOOTHED in steps:
            return  # grain as it is costs a minute: the engine takes it for letters
        if steps:
            again = self._look_again(Prepared(view=view, ink=tried.page.ink))
            yield replace(again, strategy=Strategy.UNTOUCHED)

    def _large(self, tried: Reading) -> Iterator[Reading]:
        small = tried.height < _SMALL_LETTERS and Step.SHRUNK not in tried.page.steps
        if small and tried.view.pixels.size <= LARGEST_ENLARGED:
            page = tried.page.after(Step.ENLARGED, transform.resized(tried.view, 2.0))
            again = self._look_again(page)
            yield replace(again, rotation=tried.rotation, strategy=Strategy.ENLARGED)

    def _elsewhere(self, tried: Reading) -> Iterator[Reading]:
        """Ask the second engine, of the page as it read best."""
        if self.second and set(self.languages) <= set(self.second.languages):
            view = tried.view
            words = self.second.recognise(view.pixels, self.languages, view.dpi)
            engine = self._name(self.second)
            page = tried.page.as_any_page()
            strategy = Strategy.SECOND_ENGINE
            yield replace(tried, page=page, words=words, engine=engine, strategy=strategy)


def _placed(words: Sequence[Word], part: Part, last: Word | None) -> list[Word]:
    """Return the words of a part as they stand on the page, where that is the last before them."""
    over, down = part[1].start, part[0].start
    block, paragraph, line = (
        (last.block + 1, last.paragraph + 1, last.line + 1) if last else (0,) * 3
    )
    return [
        Word(
            each.text,
            (left + over, top + down, right + over, bottom + down),
            each.confidence,
            each.block + block,
            each.paragraph + paragraph,
            each.line + line,
        )
        for each in words
        for left, top, right, bottom in (each.box,)
    ]


def better(one: Reading, other: Reading) -> Reading:
    """Return the reading that is worth more, which remembers the looks of both."""
    best = max(one, other, key=_worth)
    looks = (
        replace(look, kept=look.kept and each is best)
        for each in (one, other)
        for look in each.history
    )
    return replace(best, looks=tuple(looks))


def _doubt(reading: Reading, ink: float) -> Doubt | None:
    """Return what speaks against a reading of a page with so much ink."""
    if reading.page.blocks and any(_leader(word.text) for word in reading.words):
        return Doubt.LEADERS
    letters = sum(len(word.text) for word in reading.words)
    if letters < _FEW_CHARACTERS:
        return Doubt.FEW_CHARACTERS if ink > _SOME_INK else None
    return Doubt.LOW_CONFIDENCE if reading.confidence < _GOOD else None


def _leader(text: str) -> bool:
    """Whether a word is what a row of dots is read as: the same few characters again and again."""
    return len(text) >= max(_ROW, _REPEATED * len(set(text)))


def _worth(reading: Reading) -> float:
    """Return a mark: sure characters count for a reading, doubtful ones against it."""
    return sum(len(word.text) * (word.confidence - _SURE_WORD) for word in reading.words)


def _sideways(words: Sequence[Word]) -> bool:
    """Whether most longer words are higher than they are wide."""
    longer = [w.box for w in words if len(w.text) >= _LONGER_WORD]
    return sum(box[3] - box[1] > box[2] - box[0] for box in longer) * 2 > len(longer)


def on_page(reading: Reading, size: tuple[float, float], digits: int) -> tuple[Word, ...]:
    """Return the words with boxes on the page as its file shows it, within its edges."""
    if not reading.words:
        return ()
    boxes = np.array([word.box for word in reading.words])
    # The middles of a box's edges, for its turned corners would reach into the lines around it.
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2
    edges = np.hstack([boxes, centre])[:, [0, 5, 2, 5, 4, 1, 4, 3]].reshape(-1, 4, 2)
    placed = edges @ reading.view.to_page[:, :2].T + reading.view.to_page[:, 2]
    lows = np.clip(placed.min(axis=1), 0, size).round(digits).tolist()
    highs = np.clip(placed.max(axis=1), 0, size).round(digits).tolist()
    return tuple(
        Word(w.text, (*low, *high), w.confidence, w.block, w.paragraph, w.line)
        for w, low, high in zip(reading.words, lows, highs, strict=True)
    )
