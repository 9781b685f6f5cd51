import json
from pathlib import Path
from typing import Any

import pytest

from loadtests.bench import report
from loadtests.bench.measure import Arm, Comparison, Goal, Sample
from loadtests.bench.plot import Bar, bars


def arm(name: str, ran: list[str], *seconds: float) -> Arm:
    """An arm that takes these times one after the other."""
    left = iter(seconds)

    def run() -> Sample:
        ran.append(name)
        return Sample(units=10, seconds=next(left))

    return Arm(name, run)


def measured(*goals: Goal, ran: list[str] | None = None) -> dict[str, Any]:
    ran = [] if ran is None else ran
    arms = [arm("bare", ran, 1, 2, 4), arm("ours", ran, 2, 2, 2)]
    return Comparison(name="n", unit="page", arms=arms, goals=goals, warm=False).measure(3)


def test_arms_run_in_turns_every_other_round_backwards() -> None:
    ran: list[str] = []
    measured(ran=ran)
    assert ran == ["bare", "ours", "ours", "bare", "bare", "ours"]


def test_a_ratio_is_to_the_baseline_of_the_same_round() -> None:
    _, ours = measured()["arms"]
    assert ours["ratio"] == {"median": 1.0, "least": 0.5, "most": 2.0}


@pytest.mark.parametrize(
    ("goal", "met"),
    [
        (Goal(arm="ours", figure="ratio.median", least=1.0), True),
        (Goal(arm="ours", figure="ratio.median", least=1.1), False),
        (Goal(arm="ours", figure="per_second.median", most=5.0), True),
        (Goal(arm="ours", figure="per_second.median", most=4.9), False),
        (Goal(arm="ours", figure="cpu_ratio.median", least=0.0), False),
        (Goal(arm="theirs", figure="ratio.median", least=0.0), False),
        (Goal(arm="ours", figure="per_second.most", beside="bare", least=0.5), True),
        (Goal(arm="ours", figure="per_second.most", beside="bare", least=0.51), False),
        (Goal(arm="ours", figure="per_second.most", beside="theirs", least=0.0), False),
    ],
)
def test_a_floor_is_met_by_a_figure_that_is_there_and_reaches_it(goal: Goal, *, met: bool) -> None:
    (judged,) = measured(goal)["goals"]
    assert judged["met"] is met


def test_a_plot_names_every_arm_and_its_floor() -> None:
    drawn = bars("Pages", [Bar("a < b", 1, 1, 1), Bar("ours", 1.5, 1.4, 1.6)], floor=1.35)
    for words in ("a &lt; b", "ours", "1.5", "floor 1.35"):
        assert words in drawn


def test_only_what_this_run_missed_is_missed(tmp_path: Path) -> None:
    missed = {"arm": "docmill", "figure": "ratio", "value": 1, "bound": "at least 2", "met": False}
    earlier = report.Results(tmp_path / "bench.json", quick=True)
    earlier.add("stack", {"name": "stack: pages", "goals": [missed]})
    now = report.Results(tmp_path / "bench.json", quick=True)
    now.add("reads", {"name": "reads: clients", "goals": [missed | {"met": True}]})
    assert (len(earlier.missed), now.missed) == (1, [])
    assert set(now.measured) == {"reads"}
    assert set(json.loads((tmp_path / "bench.json").read_text())) == {"stack", "reads"}
