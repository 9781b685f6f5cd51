"""What of the stack runs, where, and whether it is ready."""

from concurrent.futures import ThreadPoolExecutor

from rich.table import Table

from deploy.local.server import Server
from deploy.local.service import Service
from deploy.local.stack import Stack

Row = tuple[str, str, str, str]


def table(stack: Stack) -> Table:
    shown = Table("what", "pid", "address", "state", box=None, pad_edge=False)
    with ThreadPoolExecutor() as pool:
        rows = [
            *pool.map(_server, stack.servers.all),
            *pool.map(_service, stack.services.values()),
        ]
    for row in rows:
        shown.add_row(*row)
    return shown


def is_up(stack: Stack) -> bool:
    """Tell whether everything runs and is ready."""
    return all(process.running for process in stack.processes) and all(
        service.readiness().get("status") == "ready" for service in stack.services.values()
    )


def _server(server: Server) -> Row:
    pid = server.process.pid
    state = "down" if pid is None else "ready" if server.is_ready() else "not ready"
    return server.name, str(pid or "-"), f"127.0.0.1:{server.port}", _coloured(state)


def _service(service: Service) -> Row:
    pid = service.process.pid
    state = str(service.readiness().get("status")) if pid else "down"
    health = service.health.removeprefix("http://")
    address = f"127.0.0.1:{service.port}, health {health}" if service.port else f"health {health}"
    return service.name, str(pid or "-"), address, _coloured(state)


def _coloured(state: str) -> str:
    colour = {"ready": "green", "degraded": "yellow"}.get(state, "red")
    return f"[{colour}]{state}[/]"
