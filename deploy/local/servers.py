"""The three servers together."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from deploy.local.ports import Ports
from deploy.local.postgres import Postgres
from deploy.local.rabbitmq import RabbitMQ
from deploy.local.seaweedfs import SeaweedFS
from deploy.local.server import Server


class Servers:
    """PostgreSQL, RabbitMQ and S3 under one root."""

    def __init__(self, root: Path, *, forgetful: bool = False) -> None:
        self.root = root
        self._forgetful = forgetful
        self.ports = Ports(root / "run" / "ports.json")
        self.postgres = Postgres(root, self.ports, forgetful=forgetful)
        self.rabbitmq = RabbitMQ(root, self.ports)
        self.s3 = SeaweedFS(root, self.ports)

    @property
    def all(self) -> tuple[Server, ...]:
        return self.postgres, self.rabbitmq, self.s3

    def start(self, timeout: float = 120) -> None:
        """Start all at once and return when each is ready."""

        def bring_up(server: Server) -> None:
            server.start()
            server.wait_ready(timeout)

        with ThreadPoolExecutor(len(self.all)) as pool:
            list(pool.map(bring_up, self.all))

    def stop(self) -> None:
        """Stop all in good order; forgetful ones at once, for nobody will want their data."""

        def bring_down(server: Server) -> None:
            if self._forgetful:
                server.kill()
            else:
                server.stop()

        with ThreadPoolExecutor(len(self.all)) as pool:
            list(pool.map(bring_down, self.all))
