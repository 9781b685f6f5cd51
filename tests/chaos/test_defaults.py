"""The times that everybody runs with, unscaled: one lost worker, taken back after a whole lease."""

import time

import pytest

from tests.stack.flow import caller, inspector, pages
from tests.stack.wait import until
from tests.stack.whole import whole_stack

LEASE = 45


@pytest.mark.slow
def test_with_the_default_times_a_lost_page_is_read_within_a_lease_and_a_little() -> None:
    with whole_stack() as stack, caller(stack) as client, inspector(stack) as inspect:
        documents = [
            client.upload(body, f"{number}.png")
            for number, body in enumerate(pages(4, first=900, characters=2400))
        ]
        until(inspect.running)
        stack.services["ocr"].kill()
        assert inspect.running(), "the fault interrupted nothing"
        began = time.monotonic()
        stack.services["ocr"].start()
        client.ended(documents)
        took = time.monotonic() - began
        inspect.assert_each_ended_once(documents)
        lost = "SELECT count(*) FROM attempt WHERE outcome = 'lost'"
        assert inspect.count(lost)
        assert took > LEASE / 2, "it did not wait for the lease: these are not the defaults"
        print(f"a lost page was ready {took:.0f} s after its worker died")  # noqa: T201 - shown with -s
