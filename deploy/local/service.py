"""One docmill service as a process of the stack."""

import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import httpx

from deploy.local.ports import Ports
from deploy.local.process import Process
from deploy.local.server import NotReadyError

NAMES: Final = (
    "ingest",
    "dispatcher",
    "validator",
    "ocr",
    "thumbnailer",
    "notifier",
    "scheduler",
)
# Longer than the services' own time to finish (the scheduler's is 60 s and some), so that SIGKILL
# is for those that hang.
STOP_SECONDS: Final = 75


def program(name: str) -> str:
    """Find a console script of ours beside the interpreter, by its real path.

    As root the checkout may be where the unprivileged children cannot go, but not its `.local`.
    """
    return str(Path(sys.executable).parent.resolve() / name)


class Service:
    """A service with its own health port; the stack gives it what it needs to reach the servers.

    `kind` is its program's when it is not the only one of its kind; `command` starts it.
    """

    def __init__(
        self,
        name: str,
        root: Path,
        ports: Ports,
        settings: Mapping[str, str],
        kind: str | None = None,
    ) -> None:
        self.name = name
        self.command = [program(f"docmill-{kind or name}")]
        self.settings = dict(settings)
        self._ports = ports
        self._root = root
        self.process = Process(name, root / "run" / f"{name}.pid", root / "logs" / f"{name}.log")

    @property
    def health(self) -> str:
        return f"http://127.0.0.1:{self._ports[self._health]}"

    @property
    def port(self) -> int | None:
        """Give the port of its own protocol; only ingest has one."""
        return self._ports[self.name] if self.name == "ingest" else None

    @property
    def log_file(self) -> Path:
        return self.process.log_file

    def start(self) -> None:
        if self.process.running:
            return
        own = {
            "DOCMILL_HEALTH_HOST": "127.0.0.1",
            "DOCMILL_HEALTH_PORT": str(self._ports.usable(self._health)),
        }
        if self.name == "ingest":
            own |= {"DOCMILL_HOST": "127.0.0.1", "DOCMILL_PORT": str(self._ports.usable(self.name))}
        self.process.start(self.command, env=self.settings | own, cwd=self._root)

    def readiness(self) -> dict[str, Any]:
        """Give what `/readyz` says; `{"status": "down"}` when nobody answers."""
        try:
            said = httpx.get(f"{self.health}/readyz", timeout=6).json()
        except (httpx.HTTPError, ValueError):
            return {"status": "down"}
        return said if isinstance(said, dict) else {"status": "down"}

    def wait_ready(self, timeout: float = 60) -> None:
        """Return once `/readyz` says ready; raise NotReadyError with what it said last."""
        deadline = time.monotonic() + timeout
        while (said := self.readiness()).get("status") != "ready":
            if time.monotonic() > deadline:
                message = f"{self.name} is not ready: {said}; {self.log_file} ends with:"
                raise NotReadyError(f"{message}\n{self.process.last_words()}")
            time.sleep(0.1)

    def metric(self, name: str, **labels: str) -> float:
        """Give the sum of a metric's samples that carry these labels."""
        wanted = [f'{key}="{value}"' for key, value in labels.items()]
        total = 0.0
        for line in httpx.get(f"{self.health}/metrics", timeout=5).text.splitlines():
            series, _, value = line.rpartition(" ")
            if series.partition("{")[0] == name and all(label in series for label in wanted):
                total += float(value)
        return total

    def terminate(self, *, timeout: float = STOP_SECONDS) -> bool:
        """Ask it to drain and leave; True when SIGKILL was not needed."""
        return self.process.stop(timeout=timeout)

    def kill(self) -> None:
        """End it as a lost node would, without a word."""
        self.process.kill()

    def pause(self) -> None:
        self.process.pause()

    def resume(self) -> None:
        self.process.resume()

    @property
    def _health(self) -> str:
        return f"{self.name}-health"
