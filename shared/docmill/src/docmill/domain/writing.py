"""How scripts are written: which way words run, where no space stands, what is no character."""

import unicodedata
from collections.abc import Sequence
from itertools import pairwise
from typing import Final, Protocol

_RIGHT_TO_LEFT: Final = frozenset({"R", "AL"})
_STRONG: Final = _RIGHT_TO_LEFT | {"L"}
_IN_LEFTWARD: Final = _RIGHT_TO_LEFT | {"AN"}  # digits that stand only among Arabic letters
_FIRST_LEFTWARD: Final = "\u0590"  # no script before it runs left
_WIDE: Final = frozenset({"W", "F"})
_HANGUL: Final = "HANGUL"  # as wide as its neighbours, but with spaces between words
_SPACE: Final = 0.9  # characters; tesseract (5.5) leaves up to 0.65 between two that stand together
_BAD_CATEGORIES: Final = frozenset({"Cc", "Co", "Cn", "Cs"})
_REPLACEMENT: Final = "\N{REPLACEMENT CHARACTER}"
OWN: Final = 100.0  # confidence of a word that a file brought itself; engines are never so sure

Box = tuple[float, float, float, float]


class Placed(Protocol):
    """A word and where it stands."""

    @property
    def text(self) -> str:
        """Its characters in the order in which they are read."""

    @property
    def box(self) -> Box:
        """Left, top, right, bottom."""

    @property
    def confidence(self) -> float:
        """0 to 100, or OWN."""


def is_unmapped(letter: str) -> bool:
    """Whether a character stands for nothing: private, control, unassigned, replacement."""
    return letter == _REPLACEMENT or unicodedata.category(letter) in _BAD_CATEGORIES


def cleaned(text: str) -> str:
    """Drop what stands for nothing, such as NUL, which no database takes."""
    return "".join(letter for letter in text if not is_unmapped(letter))


def right_to_left(text: str) -> bool:
    """Whether the first letter that has a direction runs to the left."""
    kinds = map(unicodedata.bidirectional, text)
    return next((kind for kind in kinds if kind in _STRONG), "L") in _RIGHT_TO_LEFT


def has_leftward(text: str) -> bool:
    """Whether any of its characters is of a script that runs to the left."""
    if not text or max(text) < _FIRST_LEFTWARD:
        return False  # most words, at a glance
    return not _IN_LEFTWARD.isdisjoint(map(unicodedata.bidirectional, text))


def line_text(words: Sequence[Placed]) -> str:
    """Return the words of a line as text."""
    parts = [words[0].text] if words else []
    for one, following in pairwise(words):
        parts += [between(one, following), following.text]
    return "".join(parts)


def between(one: Placed, following: Placed) -> str:
    """Return what stands between two words of a line: a space, or nothing as in Chinese.

    Words that a file itself has apart stay apart.
    """
    if one.confidence == following.confidence == OWN:
        return " "
    if not (_spaceless(one.text[-1:]) and _spaceless(following.text[:1])):
        return " "
    return " " if _gap(one.box, following.box) >= _SPACE else ""


def _spaceless(letter: str) -> bool:
    if not letter or unicodedata.east_asian_width(letter) not in _WIDE:
        return False
    symbol = unicodedata.category(letter).startswith("S")  # pictures are as wide, and stand apart
    return not symbol and not unicodedata.name(letter, "").startswith(_HANGUL)


def _gap(one: Box, other: Box) -> float:
    """Return how far apart two words are along their line, in sizes of their characters."""
    across = max(other[0] - one[2], one[0] - other[2])
    down = max(other[1] - one[3], one[1] - other[3])
    if across >= down:
        return across / max(one[3] - one[1], other[3] - other[1], 1.0)
    return down / max(one[2] - one[0], other[2] - other[0], 1.0)
