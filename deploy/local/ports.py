"""Ports, chosen once for a folder, kept in a file, and chosen again when somebody took one."""

import json
import secrets
import socket
import threading
from collections.abc import Callable
from pathlib import Path

# Above the well-known servers' defaults, below the range the kernel gives to outgoing connections.
LOWEST, HIGHEST = 20000, 32000
FAMOUS = {25672, 26257, 27017, 28017}  # other servers' defaults within that range


class NoFreePortError(Exception):
    """A hundred random ports were all taken. Remedy: see what listens with `ss -ltn`."""


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def listens(port: int) -> bool:
    """Tell whether somebody on loopback takes connections at the port."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Ports:
    """The ports of one stack by name; the same name gets the same port for as long as it can."""

    def __init__(self, file: Path, is_free: Callable[[int], bool] = is_free) -> None:
        self._file = file
        self._is_free = is_free
        self._lock = threading.Lock()
        self._ports: dict[str, int] = json.loads(file.read_text()) if file.exists() else {}

    def __getitem__(self, name: str) -> int:
        """Give the port in use for the name; the first question chooses it."""
        with self._lock:
            return self._ports.get(name) or self._choose(name)

    def usable(self, name: str) -> int:
        """Give a port that can be bound now: the kept one unless somebody else has it."""
        with self._lock:
            kept = self._ports.get(name)
            return kept if kept and self._is_free(kept) else self._choose(name)

    def _choose(self, name: str) -> int:
        for _ in range(100):
            port = LOWEST + secrets.randbelow(HIGHEST - LOWEST)
            if port not in FAMOUS | set(self._ports.values()) and self._is_free(port):
                self._ports[name] = port
                self._save()
                return port
        raise NoFreePortError(name)

    def _save(self) -> None:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        self._file.write_text(json.dumps(self._ports, indent=1) + "\n")
