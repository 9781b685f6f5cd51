"""What is made of a page that was read more than once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
from numpy.random import default_rng

from docmill.adapters.image import Pixels
from docmill.domain.words import Doubt, Step, Strategy, Word
from docmill.testing import documents
from docmill.testing.degradation import blurred, grainy
from docmill.testing.pictures import Sheet, printed
from docmill.testing.specimen import Part, specimen
from docmill_ocr import measure
from docmill_ocr.auto import AutoReader
from docmill_ocr.page_image import View
from docmill_ocr.reading import Reader, Reading

SURE = 92.0
UNSURE = 40.0


@dataclass
class ScriptedEngine:
    """Reads one long word, as sure of it as it is told for each set of languages."""

    name: str
    sure: Mapping[tuple[str, ...], float]
    told: str = ""
    turn: int = 0
    languages: tuple[str, ...] = ("ara", "eng", "heb")
    asked: list[tuple[str, ...]] = field(default_factory=list)
    blocks: list[bool] = field(default_factory=list)
    seen: list[Pixels] = field(default_factory=list)

    def model(self, language: str) -> str:
        return f"{language[0]}1"

    def warm(self, languages: Sequence[str]) -> None:
        """Need nothing."""

    def recognise(
        self, pixels: Pixels, languages: Sequence[str], dpi: int, *, one_block: bool = False
    ) -> list[Word]:
        self.asked.append(tuple(languages))
        self.blocks.append(one_block)
        box = (10.0, 10.0, 400.0, 60.0)
        return [Word(f"{self.name}-reads-this", box, self.sure[tuple(languages)], 0, 0, 0)]

    def upright(self, pixels: Pixels) -> int:
        return self.turn

    def script(self, pixels: Pixels) -> str:
        self.seen.append(pixels)
        return self.told


@pytest.fixture(scope="module")
def view() -> View:
    pixels = np.asarray(documents.page_image(count=1))
    return View(pixels=pixels, to_page=np.eye(3)[:2], dpi=200)


def first(sure: float) -> ScriptedEngine:
    return ScriptedEngine("first", {("eng",): sure})


def kept(reading: Reading) -> list[tuple[Strategy, str]]:
    return [(look.strategy, look.engine) for look in reading.looks if look.kept]


# ── another layout ───────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("sure", "turn", "looks"),
    [(SURE, 0, [True]), (UNSURE, 0, [True, False]), (UNSURE, 180, [True, False])],
    ids=["sure", "doubtful", "turned"],
)
def test_a_doubtful_block_is_read_again_as_any_page(
    sure: float, turn: int, looks: list[bool]
) -> None:
    pixels = np.asarray(printed([documents.dense_text(1, 500)], Sheet(dpi=200, points=10.5)))
    engine = replace(first(sure), turn=turn)
    view = View(pixels=pixels, to_page=np.eye(3)[:2], dpi=200)
    history = Reader(engine, ("eng",)).read(view).history
    assert engine.blocks[:2] == looks
    assert [Step.BLOCKS in look.steps for look in history[:2]] == looks


@pytest.mark.parametrize("sure", [SURE, UNSURE])
def test_rows_of_dots_read_as_letters_in_a_block_are_looked_for(sure: float) -> None:
    class Dotted(ScriptedEngine):
        def recognise(self, *asked: Any, one_block: bool = False, **more: Any) -> list[Word]:
            (word,) = super().recognise(*asked, one_block=one_block, **more)
            return [replace(word, text="eeeeeceeeeeceeee" if one_block else word.text)]

    pixels = np.asarray(printed([documents.dense_text(1, 500)], Sheet(dpi=200, points=10.5)))
    engine = Dotted("first", {("eng",): sure})
    reading = Reader(engine, ("eng",)).read(View(pixels=pixels, to_page=np.eye(3)[:2], dpi=200))
    assert reading.words[0].text == "first-reads-this"
    assert engine.blocks[:2] == [True, False]
    first, second, *_ = reading.history
    assert (first.doubt, first.kept) == (Doubt.LEADERS, False)
    assert Step.BLOCKS not in second.steps


def test_grain_is_not_read_as_it_is_however_badly_the_page_reads() -> None:
    page = np.asarray(documents.page_image(count=1).convert("L"))
    pixels = grainy(blurred(page, default_rng(1)), default_rng(1))
    engine = first(UNSURE)
    reading = Reader(engine, ("eng",)).read(View(pixels=pixels, to_page=np.eye(3)[:2], dpi=200))
    assert [look.strategy for look in reading.looks] == [Strategy.PLAIN, Strategy.SEARCHED]
    assert all(Step.SMOOTHED in look.steps for look in reading.looks)


# ── a second engine ──────────────────────────────────────────────────────────────────────────────
def test_a_sure_page_is_not_read_by_the_second_engine(view: View) -> None:
    other = ScriptedEngine("second", {("eng",): SURE})
    assert Reader(first(SURE), ("eng",), other).read(view).looks == ()
    assert other.asked == []


def test_a_doubtful_page_keeps_the_better_of_two_readings(view: View) -> None:
    other = ScriptedEngine("second", {("eng",): SURE})
    reading = Reader(first(UNSURE), ("eng",), other).read(view)
    assert reading.words[0].text == "second-reads-this"
    assert reading.engine == "second eng@e1"
    assert kept(reading) == [(Strategy.SECOND_ENGINE, "second eng@e1")]
    assert reading.looks[0].doubt is Doubt.LOW_CONFIDENCE


def test_a_second_engine_that_reads_worse_changes_nothing(view: View) -> None:
    other = ScriptedEngine("second", {("eng",): UNSURE - 20})
    reading = Reader(first(UNSURE), ("eng",), other).read(view)
    assert reading.engine == "first eng@e1"
    assert [engine for _, engine in kept(reading)] == ["first eng@e1"]
    assert reading.looks[-1].engine == "second eng@e1"


def test_a_second_engine_is_not_asked_for_what_it_cannot_read(view: View) -> None:
    other = ScriptedEngine("second", {("eng",): SURE}, languages=("jpn",))
    assert Reader(first(UNSURE), ("eng",), other).read(view).engine == "first eng@e1"
    assert other.asked == []


# ── a script told ────────────────────────────────────────────────────────────────────────────────
def test_a_page_whose_script_was_told_wrongly_is_read_as_if_it_had_not(view: View) -> None:
    engine = ScriptedEngine("one", {("heb",): UNSURE, ("eng",): SURE}, told="Hebrew")
    reading = AutoReader(engine, ()).read(view)
    assert (reading.engine, reading.script) == ("one eng@e1", "Hebrew")
    assert [engine for _, engine in kept(reading)] == ["one eng@e1"]
    assert reading.looks[0].engine == "one heb@h1"


def test_a_script_is_told_from_the_page_without_its_flaws() -> None:
    engine = ScriptedEngine("one", {("eng",): SURE}, told="Latin")
    made = specimen(Part.HELD_OUT, "gauss", grainy, 0).pixels
    AutoReader(engine, ("eng",)).read(View(pixels=made, to_page=np.eye(3)[:2], dpi=200))
    (seen,) = engine.seen
    assert measure.grain(seen) < measure.grain(made) / 4


def test_no_script_is_told_of_a_page_without_a_mark() -> None:
    engine = ScriptedEngine("one", {}, told="Latin")
    pixels = np.full((900, 700), 250, np.uint8)
    reading = AutoReader(engine, ("eng",)).read(View(pixels=pixels, to_page=np.eye(3)[:2], dpi=0))
    assert (reading.strategy, reading.script, engine.seen) == (Strategy.BLANK, "", [])


def test_a_page_whose_script_reads_well_is_read_once(view: View) -> None:
    engine = ScriptedEngine("one", {("heb",): SURE}, told="Hebrew")
    assert AutoReader(engine, ("heb", "eng")).read(view).engine == "one heb@h1"
    assert engine.asked == [("heb",)]


def test_a_page_that_reads_badly_in_its_script_keeps_that_reading(view: View) -> None:
    engine = ScriptedEngine("one", {("heb",): UNSURE, ("eng",): UNSURE - 20}, told="Hebrew")
    reading = AutoReader(engine, ()).read(view)
    assert [engine for _, engine in kept(reading)] == ["one heb@h1"]
