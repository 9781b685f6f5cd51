"""A stack whose services reach the servers through proxies that a test can come between."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy.local.stack import Stack
from tests.stack.proxy import Proxy
from tests.stack.whole import whole


class Routed(Stack):
    """`routes` are the ways to the servers, by their names; tests themselves go straight."""

    def __init__(self, root: Path, **settings: str) -> None:
        super().__init__(root, settings=settings)
        self.routes = {
            server.name: Proxy(lambda server=server: server.port)  # type: ignore[misc]
            for server in self.servers.all
        }

    def service_environment(self) -> dict[str, str]:
        """Give the services the proxies' ports for the servers'."""
        ports = {f":{each.port}": f":{self.routes[each.name].port}" for each in self.servers.all}
        routed = {}
        for name, value in self.environment().items():
            for straight, roundabout in ports.items():
                value = value.replace(straight, roundabout)  # noqa: PLW2901 - one after the other
            routed[name] = value
        return routed

    def mend(self, timeout: float = 120) -> None:
        """Open every way, then mend the rest."""
        for route in self.routes.values():
            route.release()
        super().mend(timeout)

    def kill(self) -> None:
        for route in self.routes.values():
            route.close()
        super().kill()


@contextmanager
def routed_stack(**settings: str) -> Iterator[Routed]:
    """The same as `whole_stack`, with proxies on every way."""
    with whole(lambda root: Routed(root, **settings)) as stack:
        yield stack
