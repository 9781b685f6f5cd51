"""The times that everybody runs with, unscaled: one lost worker, taken back after a whole lease."""

import time
from collections.abc import Iterator

import pytest

from tests.chaos.trial import Trial, scenario, trial_of
from tests.stack.routed import routed_stack

LEASE = 45


@pytest.fixture
def unhurried(request: pytest.FixtureRequest) -> Iterator[Trial]:
    with routed_stack() as stack:
        yield from trial_of(request, stack)


@pytest.mark.slow
@scenario(
    "crash_recovery, default times",
    fault="kill -9 of an OCR worker in the middle of a page",
    load="4 dense one-page scans",
    within=LEASE + 60,
    smoke=True,
)
def test_with_the_default_times_a_lost_page_is_read_within_a_lease_and_a_little(
    unhurried: Trial,
) -> None:
    documents = unhurried.upload(4, characters=2400)
    unhurried.until_running()
    ocr = unhurried.stack.services["ocr"]
    ocr.kill()
    unhurried.struck(unhurried.inspect.running())
    began = time.monotonic()
    ocr.start()
    unhurried.mended()
    unhurried.all_ready(documents)
    assert unhurried.figures.redone
    assert time.monotonic() - began > LEASE / 2, "it did not wait: these are not the defaults"
