"""The node, the release on it, and the table of what the scenarios showed."""

from collections.abc import Iterator

import pytest

from docmill_client import Client
from tests.k8s import node
from tests.stack.wait import until

_TOLD: list[tuple[str, str]] = []


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "k8s" in item.path.parts:
            item.add_marker(pytest.mark.timeout(1200))
            item.add_marker(pytest.mark.enable_socket)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if _TOLD:
        terminalreporter.section("what the node showed")
        for scenario, told in _TOLD:
            terminalreporter.write_line(f"{scenario:<48} {told}")


class Tell:
    """Keeps a line of the table for a scenario."""

    def __init__(self, scenario: str) -> None:
        self._scenario = scenario

    def __call__(self, told: object) -> None:
        _TOLD.append((self._scenario, str(told)))


@pytest.fixture
def tell(request: pytest.FixtureRequest) -> Tell:
    return Tell(request.node.name.removeprefix("test_").replace("_", " "))


@pytest.fixture(scope="session")
def images() -> None:
    """The images are there, with podman and for the node."""
    node.prepare()


@pytest.fixture(scope="session")
def release(images: None) -> Iterator[str]:
    """The release as installed once; its name."""
    with node.node():
        node.install()
        yield node.RELEASE


@pytest.fixture(scope="session")
def key(release: str) -> str:
    """A key of a tenant with room for the load."""
    node.admin("tenant", "create", "acme", "--plan", "standard")
    return node.admin("key", "create", "acme").split()[-1]


def settled(key: str, documents: list[str]) -> int:
    """Wait until each has settled; give how many are not ready."""
    with Client(node.api(), key) as client:
        return sum(client.wait(document, timeout=600)["state"] != "ready" for document in documents)


def all_ready(component: str, count: int) -> None:
    """Wait until so many pods of a component are there, and all are ready."""
    until(lambda: node.ready(component) == [True] * count, within=180, every=0.5)
