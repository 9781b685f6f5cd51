"""Every fault that a soak draws from, one by one: each hits work in flight and costs nothing."""

import inspect
import random
from collections.abc import Iterator
from contextlib import ExitStack
from random import Random

import pytest

from tests.chaos.trial import Scenario, Trial, trial_on
from tests.stack.faults import FAULTS, beyond
from tests.stack.routed import Routed

LENGTH = 8.0  # seconds: more than a lease of the quick settings, with its grace
# What ingest suffers, and sweeps, which begin when twelve pages may be read already.
OF_UPLOADS = {"ingest_killed", "clock_of_ingest_stepped", "sweeps_racing"}


@pytest.fixture(params=sorted(FAULTS))
def trial(request: pytest.FixtureRequest, stack: Routed) -> Iterator[Trial]:
    name = request.param
    if reason := beyond(name):
        pytest.skip(f"{name}: {reason}")
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
    draw = Random(f"{name}-{random.random()}")  # another each time, printed as randomly's seed
    documents = trial.upload(12, characters=1800)
    trial.until_running()
    with ExitStack() as uploads:
        accepted = uploads.enter_context(trial.uploading()) if name in OF_UPLOADS else []
        with FAULTS[name](trial.stack, draw) as toll:
            trial.lasts(LENGTH)
        trial.struck(toll.hits, toll.what)
        trial.stack.mend()
    trial.mended()
    trial.all_ready(documents + accepted)
    trial.spent_nothing()
