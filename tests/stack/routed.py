"""A stack whose services reach the servers through proxies that a test can come between."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from deploy.local.stack import DATABASE, Stack
from tests.stack.proxy import Proxy
from tests.stack.whole import whole


class Routed(Stack):
    """`routes` are the ways to the servers, by their names.

    Tests themselves go by others that nothing comes between: `straight` to whatever PostgreSQL is
    the primary now.
    """

    def __init__(self, root: Path, **settings: str) -> None:
        super().__init__(root, settings=settings)
        self.routes = {
            server.name: Proxy(partial(self._port, server.name)) for server in self.servers.all
        }
        self.straight = Proxy(partial(self._port, self.postgres.name))

    @property
    def postgres_url(self) -> str:
        """Give the primary's own address."""
        return self.postgres.url(DATABASE)

    @property
    def database_url(self) -> str:
        """Give the address that stays when another PostgreSQL becomes the primary."""
        return self.postgres_url.replace(f":{self.postgres.port}/", f":{self.straight.port}/")

    def service_environment(self) -> dict[str, str]:
        """Give the services the proxies' ports for the servers'."""
        ports = {f":{each.port}": f":{self.routes[each.name].port}" for each in self.servers.all}
        ports[f":{self.straight.port}"] = f":{self.routes[self.postgres.name].port}"
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
        for route in (*self.routes.values(), self.straight):
            route.close()
        super().kill()

    def _port(self, name: str) -> int:
        return next(server.port for server in self.servers.all if server.name == name)


@contextmanager
def routed_stack(**settings: str) -> Iterator[Routed]:
    """The same as `whole_stack`, with proxies on every way."""
    with whole(lambda root: Routed(root, **settings)) as stack:
        yield stack
