"""One whole stack that the chaos tests break and that is whole again for each."""

from collections.abc import Iterator

import pytest

from deploy.local.stack import Stack
from tests.stack.whole import QUICK_FAULTS, whole_stack


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "chaos" in item.path.parts:
            item.add_marker(pytest.mark.chaos)
            item.add_marker(pytest.mark.timeout(300))


@pytest.fixture(scope="session")
def broken_stack() -> Iterator[Stack]:
    with whole_stack(**QUICK_FAULTS) as stack:
        yield stack


@pytest.fixture
def stack(broken_stack: Stack) -> Iterator[Stack]:
    """Everything, ready; what the test stops, kills or pauses is mended after it."""
    yield broken_stack
    broken_stack.mend()
