"""A private RabbitMQ node with a port mapper of its own."""

import base64
import hashlib
import json
import os
import secrets
import signal
import subprocess
import time
from pathlib import Path
from typing import Final

import httpx

from deploy.local.ports import Ports, listens
from deploy.local.process import Process
from deploy.local.server import Server, environment, secret

USER: Final = "docmill"
VHOST: Final = "docmill"
SHARED: Final = Path(__file__).parents[1] / "rabbitmq"  # what compose and the chart use as well
EPMD: Final = "/usr/bin/epmd"
PROGRAMS: Final = "/usr/lib/rabbitmq/bin"  # those on the PATH are wrappers that change the user


def password_hash(password: str) -> str:
    """Hash as RabbitMQ's definitions want it: salt and SHA-256 of salt and password, in base64."""
    salt = secrets.token_bytes(4)
    return base64.b64encode(salt + hashlib.sha256(salt + password.encode()).digest()).decode()


class RabbitMQ(Server):
    """One node on loopback; it boots from a definitions file, so a wiped one has its user back."""

    name = "rabbitmq"

    def __init__(self, root: Path, ports: Ports) -> None:
        super().__init__(root, ports)
        self._config = root / "run" / "rabbitmq"
        self._epmd = Process("epmd", root / "run" / "epmd.pid", root / "logs" / "epmd.log")

    @property
    def port(self) -> int:
        return self.ports["amqp"]

    @property
    def password(self) -> str:
        return secret(self.root, "rabbitmq")

    def url(self, vhost: str = VHOST) -> str:
        return f"amqp://{USER}:{self.password}@127.0.0.1:{self.port}/{vhost}"

    @property
    def api(self) -> str:
        """Give the management API's address, with its credentials."""
        return f"http://{USER}:{self.password}@127.0.0.1:{self.ports['rabbitmq-api']}/api"

    @property
    def metrics(self) -> str:
        return f"http://127.0.0.1:{self.ports['rabbitmq-metrics']}/metrics"

    def start(self) -> None:
        if self.process.running:
            return
        for folder in (self.folder, self._config):
            folder.mkdir(parents=True, exist_ok=True)
        self._start_epmd()
        self.ports.usable("rabbitmq-distribution")
        self._write_config()
        self.process.start(
            [f"{PROGRAMS}/rabbitmq-server"], env=self._environment(), cwd=self.folder
        )

    def is_ready(self) -> bool:
        # Its API answers before it listens for AMQP, and somebody else may listen there.
        try:
            overview = httpx.get(f"{self.api}/overview", timeout=5).raise_for_status().json()
        except (httpx.HTTPError, ValueError):
            return False
        return self.port in {listener["port"] for listener in overview.get("listeners", ())}

    def stop(self) -> None:
        # The launching script passes SIGTERM on; a node that still boots may not hear it.
        self.process.send_group(signal.SIGTERM)
        self.process.stop(timeout=30)
        self._epmd.stop(signal.SIGKILL, timeout=5)

    def kill(self) -> None:
        super().kill()
        self._epmd.kill()

    def control(self, *arguments: str) -> None:
        """Run `rabbitmqctl` against the node; raise CalledProcessError when it fails."""
        subprocess.run(
            [f"{PROGRAMS}/rabbitmqctl", *arguments],
            env=self._environment(),
            cwd=self.folder,
            check=True,
            capture_output=True,
        )

    def _start_epmd(self) -> None:
        """Start the port mapper as a child of ours: Erlang would leave one behind."""
        if self._epmd.running:
            return
        port = self.ports.usable("epmd")
        self._epmd.start([EPMD, "-address", "127.0.0.1", "-port", str(port)], env=environment())
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline and not listens(port):
            time.sleep(0.02)

    def _write_config(self) -> None:
        lines = {
            "listeners.tcp.1": f"127.0.0.1:{self.ports.usable('amqp')}",
            "management.tcp.ip": "127.0.0.1",
            "management.tcp.port": self.ports.usable("rabbitmq-api"),
            "prometheus.tcp.ip": "127.0.0.1",
            "prometheus.tcp.port": self.ports.usable("rabbitmq-metrics"),
            "load_definitions": self._config / "definitions.json",
        }
        own = "".join(f"{key} = {value}\n" for key, value in lines.items())
        (self._config / "rabbitmq.conf").write_text((SHARED / "rabbitmq.conf").read_text() + own)
        plugins = (SHARED / "enabled_plugins").read_text()
        (self._config / "enabled_plugins").write_text(plugins)
        self._write_definitions()

    def _write_definitions(self) -> None:
        user = {
            "name": USER,
            "password_hash": password_hash(self.password),
            "hashing_algorithm": "rabbit_password_hashing_sha256",
            "tags": "administrator",
        }
        rights = {"user": USER, "vhost": VHOST, "configure": ".*", "write": ".*", "read": ".*"}
        definitions = {"users": [user], "vhosts": [{"name": VHOST}], "permissions": [rights]}
        file = self._config / "definitions.json"
        file.touch(mode=0o600)
        file.write_text(json.dumps(definitions, indent=1))

    def _environment(self) -> dict[str, str]:
        # The node's name is unique to the port: two stacks never mean each other.
        return environment(
            HOME=str(self._config),
            ERL_EPMD_ADDRESS="127.0.0.1",
            ERL_EPMD_PORT=str(self.ports["epmd"]),
            RABBITMQ_CONFIG_FILE=str(self._config / "rabbitmq.conf"),
            RABBITMQ_CONF_ENV_FILE=os.devnull,
            RABBITMQ_DIST_PORT=str(self.ports["rabbitmq-distribution"]),
            RABBITMQ_ENABLED_PLUGINS_FILE=str(self._config / "enabled_plugins"),
            RABBITMQ_LOG_BASE=str(self.root / "logs"),
            RABBITMQ_MNESIA_BASE=str(self.folder),
            RABBITMQ_NODENAME="docmill@localhost",
            RABBITMQ_PID_FILE=str(self._config / "pid"),
            RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS="-kernel inet_dist_use_interface {127,0,0,1}",
            PATH=f"{PROGRAMS}:{os.environ['PATH']}",
        )
