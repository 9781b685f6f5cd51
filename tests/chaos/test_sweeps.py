"""Sweeps beside uploads that take their time."""

from random import Random

import pytest

from tests.chaos.trial import Trial, scenario
from tests.stack.faults.sweep import sweeps_racing
from tests.stack.proxy import slow
from tests.stack.wait import until


@pytest.mark.slow
@scenario(
    "sweeps_racing",
    fault="every sweep each second, deleting at once what no row refers to, and a slow S3",
    load="6 dense one-page scans in work, and uploads all the while",
    within=120,
)
def test_sweeps_take_nothing_that_is_still_on_its_way(trial: Trial) -> None:
    documents = trial.upload(6, characters=1800)
    trial.until_running()
    way = trial.stack.routes["seaweedfs"]
    with (
        sweeps_racing(trial.stack, Random(0)) as toll,
        way.spoiling(slow(100_000)),
        trial.uploading() as accepted,
    ):
        until(lambda: len(accepted) >= 4 and toll.hits, within=120)
    trial.struck(toll.hits, toll.what)
    trial.mended()
    trial.all_ready(documents + accepted)
