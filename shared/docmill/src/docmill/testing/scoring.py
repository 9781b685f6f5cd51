"""How far a text that was read is from the text that was printed."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """Errors of one reading; 0 is perfect but for `word_f1`, where it is 1."""

    cer: float  # edits per wanted character, runs of white space as one space
    cer_without_spaces: float
    word_f1: float
    order_error: float  # share of pairs of words that came in the wrong order


def scored(got: str, wanted: str) -> Score:
    """Compare a text with the one that was wanted."""
    return Score(
        cer=error_rate(got, wanted),
        cer_without_spaces=error_rate("".join(got.split()), "".join(wanted.split())),
        word_f1=word_f1(got.split(), wanted.split()),
        order_error=order_error(got.split(), wanted.split()),
    )


def error_rate(got: str, wanted: str) -> float:
    """Return the edit distance between two texts, their spaces evened, per wanted character."""
    got, wanted = " ".join(got.split()), " ".join(wanted.split())
    return _distance(got, wanted) / max(len(wanted), 1)


def word_f1(got: Sequence[str], wanted: Sequence[str]) -> float:
    """Return the harmonic mean of precision and recall over words, wherever they stand."""
    common = (Counter(got) & Counter(wanted)).total()
    return 2 * common / max(len(got) + len(wanted), 1)


def order_error(got: Sequence[str], wanted: Sequence[str]) -> float:
    """Return the share of inverted pairs among words that both texts have exactly once."""
    counts = Counter(got), Counter(wanted)
    place = {word: index for index, word in enumerate(got)}
    places = [place[word] for word in wanted if counts[0][word] == counts[1][word] == 1]
    pairs = list(combinations(places, 2))
    return sum(first > second for first, second in pairs) / max(len(pairs), 1)


def _distance(got: str, wanted: str) -> int:
    """Count the edits between two texts (Myers' bit vectors, as Hyyrö gives them).

    Bit i of `more` and `less` tells whether the column's distance rises or falls at letter i.
    """
    everything = (1 << len(wanted)) - 1
    where = {letter: _places(letter, wanted) for letter in set(got)}
    more, less, distance = everything, 0, len(wanted)
    for letter in got:
        same = where[letter]
        equal = (((same & more) + more) ^ more) | same | less
        up = less | ~(equal | more) & everything
        down = more & equal
        distance += (up >> len(wanted) - 1 & 1) - (down >> len(wanted) - 1 & 1) if wanted else 1
        up, down = up << 1 | 1, down << 1
        more = (down | ~(equal | up)) & everything
        less = up & equal & everything
    return distance


def _places(letter: str, text: str) -> int:
    return sum(1 << index for index, other in enumerate(text) if other == letter)
