"""One whole stack that the chaos tests break and that is whole again for each."""

from collections.abc import Iterator

import pytest

from tests.chaos.trial import FIGURES, Trial, table, trial_of
from tests.stack.routed import Routed, routed_stack
from tests.stack.whole import QUICK_FAULTS


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--rounds", type=int, default=1, help="trials of each scenario, in a row")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "chaos" not in item.path.parts:
            continue
        item.add_marker(pytest.mark.chaos)
        item.add_marker(pytest.mark.timeout(300))
        told = item.get_closest_marker("scenario")
        if told and told.kwargs["smoke"]:
            item.add_marker(pytest.mark.smoke)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    rounds = metafunc.config.getoption("--rounds", default=1)
    if "trial" in metafunc.fixturenames and rounds > 1:
        metafunc.fixturenames.append("round_number")
        metafunc.parametrize("round_number", range(1, rounds + 1))


def pytest_sessionstart(session: pytest.Session) -> None:
    FIGURES.unlink(missing_ok=True)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if FIGURES.exists():
        terminalreporter.section("what the faults did")
        for line in table(FIGURES):
            terminalreporter.write_line(line)
    for each in terminalreporter.stats.get("skipped", ()):
        if "chaos" in each.nodeid:
            terminalreporter.write_line(f"NOT TRIED {each.nodeid}: {each.longrepr[2]}")


@pytest.fixture(scope="session")
def broken_stack() -> Iterator[Routed]:
    with routed_stack(**QUICK_FAULTS) as stack:
        yield stack


@pytest.fixture
def stack(broken_stack: Routed) -> Iterator[Routed]:
    """Everything, ready; what the test stops, kills or pauses is mended after it."""
    yield broken_stack
    broken_stack.mend()


@pytest.fixture
def trial(stack: Routed, request: pytest.FixtureRequest) -> Iterator[Trial]:
    """A trial of the scenario that the test is marked with; its figures are kept at the end."""
    yield from trial_of(request, stack)
