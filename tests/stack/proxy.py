"""A TCP proxy on loopback that holds, cuts, slows or spoils what passes."""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from random import Random
from typing import TypeAlias

CHUNK = 65536


@dataclass(frozen=True, slots=True)
class Answer:
    """Said to the client in place of the server's answer; then the connection ends."""

    data: bytes


# What becomes of a chunk that comes from the client (or not): None cuts the connection.
Spoil: TypeAlias = Callable[[bytes, bool], bytes | Answer | None]


class Proxy:
    """Forwards 127.0.0.1:`port` to a target port until told otherwise."""

    def __init__(self, target: Callable[[], int]) -> None:
        self._target = target
        self._open = {True: threading.Event(), False: threading.Event()}  # by: from the client
        self._spoil: Spoil | None = None
        self._refusing = False
        self._closed = False
        self._sockets: list[socket.socket] = []
        self._server = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port: int = self._server.getsockname()[1]
        self.release()
        threading.Thread(target=self._accept, daemon=True).start()

    def hold(self, *, requests: bool = True, answers: bool = True) -> None:
        """Let nothing through, in one or either direction, while the connections stay up."""
        for held, from_client in ((requests, True), (answers, False)):
            if held:
                self._open[from_client].clear()

    def release(self) -> None:
        """Let everything through again, what was held first."""
        for each in self._open.values():
            each.set()

    def cut(self) -> None:
        """Break every connection; what was held back is lost."""
        for each in self._sockets:
            with contextlib.suppress(OSError):
                each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        self._sockets.clear()
        self.release()

    @contextmanager
    def refusing(self) -> Iterator[None]:
        """Break every connection and take no new one for the length of a block."""
        self._refusing = True
        self.cut()
        yield
        self._refusing = False

    @contextmanager
    def spoiling(self, spoil: Spoil) -> Iterator[None]:
        """Spoil what passes for the length of a block; what it touched is broken afterwards."""
        self._spoil = spoil
        yield
        self._spoil = None
        self.cut()

    @contextmanager
    def holding(self, *, requests: bool = True, answers: bool = True) -> Iterator[None]:
        """Hold for the length of a block, then break what was held."""
        self.hold(requests=requests, answers=answers)
        yield
        self.cut()

    def close(self) -> None:
        self._closed = True
        self._server.close()
        self.cut()

    def _accept(self) -> None:
        while not self._closed:
            try:
                client, _ = self._server.accept()
            except OSError:
                continue
            if self._refusing or not self._joined(client):
                client.close()

    def _joined(self, client: socket.socket) -> bool:
        try:
            server = socket.create_connection(("127.0.0.1", self._target()), timeout=5)
        except OSError:
            return False
        server.settimeout(None)
        self._sockets += [client, server]
        for pair in ((client, server, True), (server, client, False)):
            threading.Thread(target=self._pump, args=pair, daemon=True).start()
        return True

    def _pump(self, source: socket.socket, sink: socket.socket, from_client: bool) -> None:
        try:
            self._pass(source, sink, from_client)
        except OSError:  # one side broke: so does the other
            _end(source, sink)

    def _pass(self, source: socket.socket, sink: socket.socket, from_client: bool) -> None:
        while data := source.recv(CHUNK):
            self._open[from_client].wait()
            passed = self._spoil(data, from_client) if self._spoil else data
            if isinstance(passed, Answer):
                source.sendall(passed.data)
            if not isinstance(passed, bytes):
                _end(source, sink)
                return
            sink.sendall(passed)
        sink.shutdown(socket.SHUT_WR)


def _end(*sockets: socket.socket) -> None:
    for each in sockets:
        with contextlib.suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)


@contextmanager
def proxied(target: int) -> Iterator[Proxy]:
    proxy = Proxy(lambda: target)
    try:
        yield proxy
    finally:
        proxy.close()


# ── ways to spoil ───────────────────────────────────────────────────────────────────────────────
def cutting(share: float, draw: Random) -> Spoil:
    """Cut a connection at this share of what the client says."""

    def spoil(data: bytes, from_client: bool) -> bytes | None:
        return None if from_client and draw.random() < share else data

    return spoil


def unavailable(share: float, draw: Random) -> Spoil:
    """Answer 503 to this share of HTTP requests."""
    said = b"HTTP/1.1 503 Slow Down\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"

    def spoil(data: bytes, from_client: bool) -> bytes | Answer:
        begins = from_client and data.startswith((b"PUT ", b"GET ", b"POST ", b"HEAD ", b"DELETE "))
        return Answer(said) if begins and draw.random() < share else data

    return spoil


def truncating(after: int) -> Spoil:
    """End a connection in the middle of an answer larger than this."""

    def spoil(data: bytes, from_client: bool) -> bytes | None:
        return data if from_client or len(data) < after else None

    return spoil


def corrupting(larger: int) -> Spoil:
    """Turn over the last byte of each large chunk of an answer: the body, hardly the headers."""

    def spoil(data: bytes, from_client: bool) -> bytes:
        if from_client or len(data) < larger:
            return data
        return data[:-1] + bytes([data[-1] ^ 0xFF])

    return spoil


def slow(bytes_a_second: int) -> Spoil:
    """Let so much through a second, on each connection and in each direction."""

    def spoil(data: bytes, from_client: bool) -> bytes:
        threading.Event().wait(min(len(data) / bytes_a_second, 30))
        return data

    return spoil
