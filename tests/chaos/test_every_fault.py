"""Every fault that a soak draws from, one by one: each hits work in flight and costs nothing."""

import inspect
from collections.abc import Iterator
from random import Random

import pytest

from tests.chaos.trial import Scenario, Trial, trial_on
from tests.stack.faults import FAULTS
from tests.stack.routed import Routed

LENGTH = 8.0  # seconds: more than a lease of the quick settings, with its grace
# To a worker these look like the document's own trouble, for the store answers its probe: they may
# spend attempts, which last for 7.5 s of the quick settings and for 75 s of the usual ones.
SHORT = 4.0
SPENDING = {"s3_corrupting", "s3_truncating", "s3_slow", "s3_unavailable_at_times",
            "half_of_all_calls_failing", "the_way_to_seaweedfs_black_holed",
            "requests_to_seaweedfs_black_holed", "answers_of_seaweedfs_black_holed"}  # fmt: skip


@pytest.fixture(params=sorted(FAULTS))
def trial(request: pytest.FixtureRequest, stack: Routed) -> Iterator[Trial]:
    name = request.param
    told = Scenario(
        name=name,
        fault=inspect.getdoc(FAULTS[name]) or "",
        load="12 dense one-page scans",
        within=120,
    )
    yield from trial_on(stack, told)


@pytest.mark.slow
def test_a_fault_loses_nothing_doubles_nothing_and_spends_nothing(
    trial: Trial,
) -> None:
    name = trial.scenario.name
    documents = trial.upload(12, characters=1800)
    trial.until_running()
    trial.struck()
    with FAULTS[name](trial.stack, Random(name)):
        trial.lasts(SHORT if name in SPENDING else LENGTH)
    trial.stack.mend()
    trial.mended()
    trial.all_ready(documents)
    if name not in SPENDING:
        trial.spent_nothing()
