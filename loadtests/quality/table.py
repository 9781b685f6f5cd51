"""Results as a table to read and as JSON."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from statistics import fmean
from typing import Any, Final

from docmill.testing.scoring import Score
from docmill.testing.specimen import CLEAN
from loadtests.quality.arms import BARE, OURS, PLAIN

BEGIN: Final = "<!-- made by `make bench-quality` -->"
END: Final = "<!-- end -->"


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One page by one arm."""

    group: str
    page: str
    arm: str
    score: Score
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Mean:
    """The means of one group of pages by one arm."""

    cer: float
    cer_without_spaces: float
    word_f1: float
    order_error: float
    seconds: float

    @classmethod
    def of(cls, results: Sequence[Result]) -> "Mean":
        scores = [result.score for result in results]
        return cls(
            cer=fmean(score.cer for score in scores),
            cer_without_spaces=fmean(score.cer_without_spaces for score in scores),
            word_f1=fmean(score.word_f1 for score in scores),
            order_error=fmean(score.order_error for score in scores),
            seconds=fmean(result.seconds for result in results),
        )


ALL_DEGRADED: Final = "all degraded"

Means = dict[str, dict[str, Mean]]  # by group, then by arm


def means(results: Iterable[Result]) -> Means:
    """Return the means of every group, in the order in which groups first appear."""
    found = list(results)
    order = {name: place for place, name in enumerate(dict.fromkeys(r.group for r in found))}
    found.sort(key=lambda result: order[result.group])
    return {name: _by_arm(list(group)) for name, group in groupby(found, key=lambda r: r.group)}


def _by_arm(results: Sequence[Result]) -> dict[str, Mean]:
    arms = dict.fromkeys(result.arm for result in results)
    return {arm: Mean.of([r for r in results if r.arm == arm]) for arm in arms}


def together(results: Iterable[Result]) -> Means:
    """Return the means over all degraded pages."""
    return {ALL_DEGRADED: _by_arm([r for r in results if r.group != CLEAN])}


def markdown(table: Means, plain_pass: float | None = None) -> str:
    """Return the table; `plain_pass` is one pass over clean pages of the same text, in seconds."""
    arms = [arm for arm in next(iter(table.values())) if arm != PLAIN]
    head = ["pages", *(f"{arm}: CER" for arm in arms), *_EXTRA]
    head += [f"{arm}: CPU ÷ one pass" for arm in arms if arm != BARE]
    head += [f"{OURS}: CPU ÷ clean pass"] if plain_pass else []
    lines = [_row(head), _row("---" for _ in head)]
    lines += [_row(_cells(name, by_arm, arms, plain_pass)) for name, by_arm in table.items()]
    return "\n".join(lines) + "\n"


_EXTRA: Final = (
    f"{OURS}: CER without spaces",
    f"{OURS}: word F1",
    f"{BARE}: order error",
    f"{OURS}: order error",
)


def _cells(
    name: str, by_arm: dict[str, Mean], arms: Sequence[str], plain_pass: float | None
) -> Iterable[str]:
    ours, bare = by_arm[OURS], by_arm[BARE]
    yield name
    yield from (f"{by_arm[arm].cer:.4f}" for arm in arms)
    yield f"{ours.cer_without_spaces:.4f}"
    yield f"{ours.word_f1:.3f}"
    yield from (f"{each.order_error:.3f}" for each in (bare, ours))
    for arm in arms:
        if arm != BARE:
            yield f"{by_arm[arm].seconds / max(by_arm[PLAIN].seconds, 1e-3):.2f}"
    if plain_pass:
        yield f"{ours.seconds / plain_pass:.2f}"


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def as_json(table: Means) -> dict[str, Any]:
    return {group: {arm: asdict(mean) for arm, mean in row.items()} for group, row in table.items()}


def put_into(document: str, made: str) -> str:
    """Return the document with what stands between the marks replaced."""
    before, _, rest = document.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{made}{END}{after}"
