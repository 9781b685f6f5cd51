"""One whole stack for the end-to-end tests."""

from collections.abc import Iterator

import pytest

from deploy.local.stack import Stack
from tests.stack.whole import whole_stack


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """Everything, running; `stack.api` and `stack.key` are what a caller has."""
    with whole_stack() as stack:
        yield stack
