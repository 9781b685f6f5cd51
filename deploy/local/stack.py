"""The whole of docmill under one folder: three servers, seven services, a tenant and its key."""

import subprocess
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from deploy.local.postgres import Postgres
from deploy.local.process import Process
from deploy.local.rabbitmq import RabbitMQ
from deploy.local.seaweedfs import ACCESS_KEY, REGION, SeaweedFS
from deploy.local.server import NotReadyError, Server, environment
from deploy.local.servers import Servers
from deploy.local.service import NAMES, Service, program

BUCKET: Final = "docmill"
DATABASE: Final = "docmill"
TENANT: Final = "demo"


class Stack:
    """Servers and services; `settings` are `DOCMILL_*` variables for every service."""

    def __init__(
        self, root: Path, *, settings: Mapping[str, str] | None = None, forgetful: bool = False
    ) -> None:
        self.root = root
        self.servers = Servers(root, forgetful=forgetful)
        self._settings = dict(settings or {})
        self.services = {name: self._service(name) for name in NAMES}
        self._key_file = root / "run" / "secrets" / "demo-key"

    @property
    def api(self) -> str:
        """Give the REST service's address."""
        return f"http://127.0.0.1:{self.services['ingest'].port}"

    @property
    def key(self) -> str:
        """Give the demo tenant's API key."""
        return self._key_file.read_text()

    @property
    def processes(self) -> list[Process]:
        """Give every process, servers first."""
        servers = [server.process for server in self.servers.all]
        return servers + [service.process for service in self.services.values()]

    @property
    def postgres(self) -> Postgres:
        return self.servers.postgres

    @property
    def rabbitmq(self) -> RabbitMQ:
        return self.servers.rabbitmq

    @property
    def s3(self) -> SeaweedFS:
        return self.servers.s3

    @property
    def database_url(self) -> str:
        return self.postgres.url(DATABASE)

    def start(self, timeout: float = 120) -> None:
        """Start everything and return when every service says it is ready."""
        self.start_servers(timeout)
        self.start_services()
        self.wait_ready(timeout)

    def start_servers(self, timeout: float = 120) -> None:
        """Start the servers with a bucket, a migrated database and a tenant in them."""

        def bring_up(server: Server) -> None:
            server.start()
            server.wait_ready(timeout)
            if server is self.postgres:
                self._prepare_database()
            if server is self.s3:
                self.s3.ensure_bucket(BUCKET)

        with ThreadPoolExecutor(len(self.servers.all)) as pool:
            list(pool.map(bring_up, self.servers.all))

    def start_services(self) -> None:
        for service in self.services.values():
            service.settings = self.service_environment()
            service.start()

    def wait_ready(self, timeout: float = 120) -> None:
        with ThreadPoolExecutor(len(self.services)) as pool:
            list(pool.map(lambda service: service.wait_ready(timeout), self.services.values()))

    def stop(self) -> None:
        """Drain the services, then stop the servers."""
        self.stop_services()
        self.servers.stop()

    def stop_services(self) -> None:
        with ThreadPoolExecutor(len(self.services)) as pool:
            list(pool.map(lambda service: service.terminate(), self.services.values()))

    def mend(self, timeout: float = 120) -> None:
        """Resume what is paused and start what is down: after this everything is ready again."""
        for process in self.processes:
            process.resume()
        self.start(timeout)

    def kill(self) -> None:
        """End everything at once; for stacks nobody will want again."""
        for service in self.services.values():
            service.kill()
        for server in self.servers.all:
            server.kill()

    def environment(self) -> dict[str, str]:
        """Give what a service needs to reach the servers."""
        addresses = {
            "DOCMILL_DATABASE_URL": self.database_url,
            "DOCMILL_RABBITMQ_URL": self.rabbitmq.url(),
            "DOCMILL_S3_ENDPOINT": self.s3.endpoint,
            "DOCMILL_S3_BUCKET": BUCKET,
            "DOCMILL_S3_REGION": REGION,
            "DOCMILL_S3_ACCESS_KEY": ACCESS_KEY,
            "DOCMILL_S3_SECRET_KEY": self.s3.secret_key,
            "DOCMILL_WEBHOOK_ALLOW_PRIVATE": "true",  # receivers are on this machine
        }
        return environment(**addresses) | self._settings

    def service_environment(self) -> dict[str, str]:
        """Give the services' environment: the same ways to the servers as everybody's."""
        return self.environment()

    def admin(self, *arguments: str) -> str:
        """Run `docmill-admin` and give what it printed; raise NotReadyError when it fails."""
        done = subprocess.run(
            [program("docmill-admin"), *arguments],
            env=self.environment(),
            capture_output=True,
            check=False,
            text=True,
        )
        if done.returncode:
            told = done.stderr or done.stdout
            message = f"docmill-admin {' '.join(arguments)} failed:\n{told}"
            raise NotReadyError(message)
        return done.stdout

    def make_tenant(self, name: str, plan: str = "demo") -> str:
        """Make a tenant and give a key of it."""
        self.admin("tenant", "create", name, "--plan", plan)
        return self.admin("key", "create", name).split()[-1]

    def _prepare_database(self) -> None:
        self.postgres.ensure_database(DATABASE)
        self.admin("migrate")
        keep_secret(self._key_file, lambda: self.make_tenant(TENANT))

    def _service(self, name: str) -> Service:
        return Service(name, self.root, self.servers.ports, {})


def keep_secret(path: Path, make: Callable[[], str]) -> None:
    """Keep what `make` gives, for the owner's eyes, unless it is kept; what is there is whole."""
    if path.exists():
        return
    secret = make()
    begun = path.with_suffix(".new")
    begun.unlink(missing_ok=True)
    begun.touch(mode=0o600)
    begun.write_text(secret)
    begun.replace(path)
