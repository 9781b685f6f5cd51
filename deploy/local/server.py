"""What the three private servers have in common."""

import os
import secrets
import shutil
import time
from abc import ABC, abstractmethod
from pathlib import Path

from deploy.local.ports import Ports
from deploy.local.process import Process


class NotReadyError(Exception):
    """A server or service did not become ready in its time. Remedy: read the log it names."""


def environment(**more: str) -> dict[str, str]:
    """Give the little of our environment that programs need, and what is asked for."""
    kept = {key: os.environ[key] for key in ("PATH", "HOME", "TZ", "TMPDIR") if key in os.environ}
    return kept | {"LANG": "C.UTF-8"} | more


def secret(folder: Path, name: str) -> str:
    """Give a password that is made once per stack and readable to its owner alone."""
    file = folder / "run" / "secrets" / name
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        file.touch(mode=0o600)
        file.write_text(secrets.token_hex(16))
    return file.read_text()


class Server(ABC):
    """A server with its data in `<root>/<name>`, its log and pid file beside the others'."""

    name: str

    def __init__(self, root: Path, ports: Ports) -> None:
        self.root = root
        self.folder = root / self.name
        self.ports = ports
        self.process = Process(
            self.name, root / "run" / f"{self.name}.pid", root / "logs" / f"{self.name}.log"
        )

    @property
    @abstractmethod
    def port(self) -> int:
        """Give the port its clients use."""

    @abstractmethod
    def start(self) -> None:
        """Start, making what it needs on disk; nothing happens when it runs already."""

    @abstractmethod
    def is_ready(self) -> bool:
        """Tell whether it does real work now, not only whether it listens."""

    def wait_ready(self, timeout: float = 90) -> None:
        """Return once ready; raise NotReadyError when it died or the time is over."""
        deadline = time.monotonic() + timeout
        while not self.is_ready():
            if not self.process.running or time.monotonic() > deadline:
                message = f"{self.name} is not ready; {self.process.log_file} ends with:"
                raise NotReadyError(f"{message}\n{self.process.last_words()}")
            time.sleep(0.1)

    def stop(self) -> None:
        self.process.stop()

    def kill(self) -> None:
        """End it as a power cut would."""
        self.process.kill()

    def pause(self) -> None:
        """Freeze it: it accepts connections and answers nothing."""
        self.process.pause()

    def resume(self) -> None:
        self.process.resume()

    def wipe(self) -> None:
        """Delete its data; only while it is stopped."""
        if self.process.running:
            raise RuntimeError(f"{self.name} is running")
        shutil.rmtree(self.folder, ignore_errors=True)
