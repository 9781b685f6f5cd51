"""Ports, chosen once for a folder, kept in a file, and chosen again when somebody took one."""

import fcntl
import json
import secrets
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

# Above the well-known servers' defaults, below the range the kernel gives to outgoing connections.
LOWEST, HIGHEST = 20000, 32000
FAMOUS = {25672, 26257, 27017, 28017}  # other servers' defaults within that range

_reserved: list[socket.socket] = []


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


def reserve(port: int) -> bool:
    """Keep other stacks from choosing the port until this process ends; False if one has it.

    A server may bind seconds after its port was chosen, and two stacks that start at once would
    both find it free. An abstract Unix socket reaches as far as loopback does, and no farther.
    """
    name = socket.socket(socket.AF_UNIX)
    try:
        name.bind(f"\0docmill-port-{port}")
    except OSError:
        name.close()
        return False
    _reserved.append(name)
    return True


class Ports:
    """The ports of one stack by name; the same name gets the same port for as long as it can.

    The file is the truth: several commands may look at one stack at once.
    """

    def __init__(self, file: Path, is_free: Callable[[int], bool] = is_free) -> None:
        self._file = file
        self._is_free = is_free

    def __getitem__(self, name: str) -> int:
        """Give the port in use for the name; the first question chooses it."""
        return self._read().get(name) or self._choose(name, lambda _: True)

    def usable(self, name: str) -> int:
        """Give a port that can be bound now: the kept one unless somebody else has it.

        One that is chosen is reserved (see `reserve`); a kept one is only looked at.
        """
        return self._choose(name, self._is_free)

    def _choose(self, name: str, keep: Callable[[int], bool]) -> int:
        with self._alone():
            ports = self._read()
            if name not in ports or not keep(ports[name]):
                ports[name] = self._free_port(name, set(ports.values()))
                self._write(ports)
            return ports[name]

    def _free_port(self, name: str, taken: set[int]) -> int:
        for _ in range(100):
            port = LOWEST + secrets.randbelow(HIGHEST - LOWEST)
            if port not in FAMOUS | taken and self._is_free(port) and reserve(port):
                return port
        raise NoFreePortError(name)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        with self._file.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _read(self) -> dict[str, int]:
        try:
            ports: dict[str, int] = json.loads(self._file.read_text())
        except FileNotFoundError:
            return {}
        return ports

    def _write(self, ports: dict[str, int]) -> None:
        draft = self._file.with_suffix(".new")  # readers take no lock and must never see half
        draft.write_text(json.dumps(ports, indent=1) + "\n")
        draft.replace(self._file)
