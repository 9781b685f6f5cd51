"""One whole stack for the end-to-end tests, and who looks at it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from deploy.local.stack import Stack
from tests.stack.flow import Caller, Inspector, caller, inspector
from tests.stack.leak import leaks
from tests.stack.samples import ERROR_RATE, Sent, send
from tests.stack.whole import whole_stack

EACH_SECOND: Final = "* * * * * *"
SETTINGS: Final = {
    "DOCMILL_CRON_ERASURE": EACH_SECOND,
    "DOCMILL_CRON_RETENTION": EACH_SECOND,
    "DOCMILL_CRON_UPLOADS": EACH_SECOND,
    "DOCMILL_ERASURE_PROOF_SECONDS": "1",
    "DOCMILL_WEBHOOK_ALLOW_HTTP": "true",  # the tests' receivers speak no TLS
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "e2e" in item.path.parts:
            # the first test that asks for the stack waits for its start
            item.add_marker(pytest.mark.timeout(300))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reports = [*terminalreporter.getreports("passed"), *terminalreporter.getreports("failed")]
    told = [value for each in reports for name, value in each.user_properties if name == ERROR_RATE]
    if told:
        terminalreporter.section("character error rate of each page")
    for line in sorted(told):
        terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """Everything, running; `stack.api` and `stack.key` are what a caller has."""
    with whole_stack(**SETTINGS) as stack:
        yield stack
        assert leaks(stack) == []  # of everything that all tests did


@pytest.fixture(scope="session")
def inspect(stack: Stack) -> Iterator[Inspector]:
    with inspector(stack) as made:
        yield made


@pytest.fixture(scope="module")
def client(stack: Stack, request: pytest.FixtureRequest) -> Iterator[Caller]:
    """A caller of a tenant that this module has for itself."""
    tenant = request.path.stem.removeprefix("test_").replace("_", "-")
    with caller(stack, stack.make_tenant(tenant)) as made:
        yield made


@pytest.fixture(scope="session")
def sent(stack: Stack, samples: Path) -> Iterator[Sent]:
    """Every sample, on its way."""
    with caller(stack, stack.make_tenant("samples")) as made:
        yield send(made, samples)
