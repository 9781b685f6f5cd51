"""What the chaos tests and the soak tell of a run that went wrong."""

import itertools
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from loadtests.soak.__main__ import GROWTH, MEMORY_FIGURES, grown
from loadtests.soak.schedule import schedule
from tests.chaos.trial import Scenario, Trial

TOLD = Scenario(name="x", fault="x", load="x", within=1)


class Nobody:
    """A caller and inspector of a stack on which one of two documents never ends."""

    def ended(self, *_: object, **__: object) -> None:
        raise AssertionError("not within 1 s")

    def count(self, query: str) -> int:
        return 1 if "FROM document" in query else 0

    def rows(self, _: str) -> list[dict[str, Any]]:
        return [{"settled_at": datetime.now(UTC)}]


def test_documents_that_never_end_are_told_as_lost() -> None:
    trial = Trial(TOLD, cast("Any", None), cast("Any", Nobody()), cast("Any", Nobody()))
    with pytest.raises(AssertionError, match="not within"):
        trial.all_ready(["one", "two"])
    assert (trial.figures.documents, trial.figures.lost) == (2, 1)


def test_a_fault_that_hit_nothing_fails_its_trial() -> None:
    trial = Trial(TOLD, cast("Any", None), cast("Any", Nobody()), cast("Any", Nobody()))
    with pytest.raises(AssertionError, match="nothing"):
        trial.struck(0)


def test_a_seed_is_a_schedule() -> None:
    def first(seed: int) -> list[tuple[str, float, float, float]]:
        steps = itertools.islice(schedule(seed), 50)
        return [(each.fault, each.length, each.pause, each.draw.random()) for each in steps]

    assert first(7) == first(7)
    assert first(7) != first(8)


@pytest.mark.parametrize(
    ("last", "wrong"), [(int(100 * GROWTH) - 1, False), (int(100 * GROWTH) + 1, True)]
)
def test_memory_that_grows_is_told(last: int, *, wrong: bool) -> None:
    memory = [100, 20, 110] + [100] * (MEMORY_FIGURES - 5) + [last, last]
    assert bool(grown(memory)) == wrong
