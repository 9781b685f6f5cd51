"""The text of a page as words with boxes: what every output is made of.

Coordinates: one system everywhere. The origin is the page's top left corner as it is shown
upright, x grows to the right, y down, in the unit of the page (`px` for images, `pt` = 1/72 inch
for PDF); a box is (left, top, right, bottom) within (0, 0, width, height).
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from itertools import groupby
from typing import Any

from docmill.domain.plan import Source
from docmill.domain.writing import line_text


class Strategy(StrEnum):
    """What gave a recognised page its words: the first look, or the remedy that beat it."""

    PLAIN = "plain"
    BLANK = "blank"  # one flat colour: the engine was not asked
    TURNED = "turned"
    SEARCHED = "searched"  # for columns and pictures, where its blocks read badly
    UNTOUCHED = "untouched"  # the page as it came, where what had been mended read badly
    ENLARGED = "enlarged"
    SECOND_ENGINE = "second_engine"


class Step(StrEnum):
    """What was done to a page before it was read."""

    EVENED = "evened"  # uneven light
    SMOOTHED = "smoothed"  # grain
    DESPECKLED = "despeckled"  # single black and white pixels
    SHARPENED = "sharpened"  # blur
    UNRULED = "unruled"  # upright rules of a table or a form
    ENLARGED = "enlarged"  # letters too small to read
    SHRUNK = "shrunk"  # letters finer than reading needs
    CLEANED = "cleaned"  # paper with faint grain: it was given one gray level
    TURNED = "turned"  # by 90, 180 or 270 degrees
    LEVELED = "leveled"  # lines that rose or fell
    BLOCKS = "blocks"  # shown block by block, as its lines lie: no column was looked for


class Doubt(StrEnum):
    """Why a look at a page was followed by another."""

    FEW_CHARACTERS = "few characters"  # next to none, on a page with ink
    LOW_CONFIDENCE = "low confidence"
    LEADERS = "leaders"  # rows of dots, read as letters


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One recognition of a page; of several, the one whose words are the page's is `kept`."""

    strategy: Strategy
    engine: str = ""  # as of a page; not known of looks before it was written down
    steps: tuple[Step, ...] = ()
    confidence: float  # the mean over characters, 0 without any
    doubt: Doubt | None = None
    kept: bool = True

    def as_json(self) -> dict[str, Any]:
        """Return a JSON value that `from_json` reads back."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Look":
        """Read what `as_json` wrote."""
        return cls(
            strategy=Strategy(value["strategy"]),
            engine=value.get("engine", ""),
            steps=tuple(Step(step) for step in value["steps"]),
            confidence=value["confidence"],
            doubt=Doubt(value["doubt"]) if value["doubt"] else None,
            kept=value["kept"],
        )


@dataclass(frozen=True, slots=True)
class Word:
    """One word. `block`, `paragraph` and `line` count from 0 over the page, in reading order."""

    text: str
    box: tuple[float, float, float, float]
    confidence: float  # 0 to 100; of a text layer 100, or 0 where it is garbage
    block: int
    paragraph: int
    line: int


def mean_confidence(words: Iterable[Word]) -> float:
    """Return the mean over characters. Of no words it is 0, where engines say 95."""
    weighed = [(len(word.text), word.confidence) for word in words]
    letters = sum(length for length, _ in weighed)
    return sum(length * sure for length, sure in weighed) / letters if letters else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PageText:
    """One page as read: its words in reading order and what they were read with."""

    number: int
    width: float
    height: float
    unit: str
    source: Source
    words: tuple[Word, ...]
    engine: str  # what read it, with versions, e.g. "tesserocr 5.5.4 eng@7d4322bd"
    rotation: int = 0  # degrees clockwise that the content had to be turned to be upright
    looks: tuple[Look, ...] = ()  # in turn; none where one sure look at the page as it is was all
    script: str = ""  # told from the page's looks where the caller left its languages open

    @property
    def text(self) -> str:
        """The page's text: a line per line, an empty line between paragraphs."""
        paragraphs = (
            "\n".join(line_text(line) for line in _grouped(words, "line"))
            for words in _grouped(self.words, "paragraph")
        )
        return "\n\n".join(paragraphs)

    @property
    def confidence(self) -> float | None:
        """The mean over the words' characters, as of a look; None where there are none."""
        return mean_confidence(self.words) if self.words else None

    def as_json(self) -> dict[str, Any]:
        """Return a JSON value that `from_json` reads back; the same bytes for the same page."""
        return {
            "number": self.number,
            "width": self.width,
            "height": self.height,
            "unit": self.unit,
            "source": self.source.value,
            "engine": self.engine,
            "rotation": self.rotation,
            "words": [
                [w.text, *w.box, w.confidence, w.block, w.paragraph, w.line] for w in self.words
            ],
            # Left out where empty, for a reader of the release before does not know them.
            **({"looks": [look.as_json() for look in self.looks]} if self.looks else {}),
            **({"script": self.script} if self.script else {}),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "PageText":
        """Read what `as_json` wrote."""
        words = tuple(
            Word(text, (left, top, right, bottom), *rest)
            for text, left, top, right, bottom, *rest in value["words"]
        )
        looks = tuple(Look.from_json(look) for look in value.get("looks", ()))
        source = Source(value["source"])
        return cls(**{**value, "source": source, "words": words, "looks": looks})


def _grouped(words: Iterable[Word], level: str) -> Iterator[list[Word]]:
    return (list(group) for _, group in groupby(words, key=lambda word: getattr(word, level)))
