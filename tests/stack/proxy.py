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
# In what is sent to PostgreSQL with a commit: by itself, by a claim, by an upload (its event).
COMMITTING = (b"COMMIT", b"INSERT INTO attempt", b'"sha256"')
AMQP_HEARTBEAT = b"\x08\0\0\0\0\0\0\xce"  # no work waits for it


@dataclass(frozen=True, slots=True)
class Answer:
    """Said to the client in place of the server's answer; then the connection ends."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Chunk:
    """What passes at once; `asked` is what the client of this connection said last."""

    data: bytes
    from_client: bool
    asked: bytes


@dataclass(frozen=True, slots=True)
class Late:
    """What passes only after so many seconds."""

    data: bytes
    seconds: float


# What becomes of a chunk: None cuts the connection.
Spoil: TypeAlias = Callable[[Chunk], bytes | Answer | Late | None]
Hit: TypeAlias = Callable[[], None]


def _nobody_counts() -> None:
    """Nothing is counted."""


@dataclass(slots=True, eq=False)
class Link:
    """A client's connection and ours to the server for it."""

    client: socket.socket
    server: socket.socket
    asked: bytes = b""
    pumps: int = 2  # that still look at it

    def end(self) -> None:
        """End both; what is on its way may arrive."""
        for each in (self.client, self.server):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def abort(self) -> None:
        """Reset both: what is on its way is lost."""
        for each in (self.client, self.server):
            with contextlib.suppress(OSError):
                each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.end()
        self.close()

    def close(self) -> None:
        self.client.close()
        self.server.close()


class Proxy:
    """Forwards 127.0.0.1:`port` to a target port until told otherwise."""

    def __init__(self, target: Callable[[], int]) -> None:
        self._target = target
        self._open = {True: threading.Event(), False: threading.Event()}  # by: from the client
        self._spoil: Spoil | None = None
        self._hit: Hit = _nobody_counts
        self._said: Hit = _nobody_counts
        self._refusing = False
        self._closed = False
        self._links: set[Link] = set()
        self._lock = threading.Lock()
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

    def cut(self) -> int:
        """Break every connection and tell how many; what was held back is lost."""
        with self._lock:
            broken = list(self._links)
        for link in broken:
            link.abort()
        self.release()
        return len(broken)

    @contextmanager
    def counting(self, hit: Hit, *, every: bool = False) -> Iterator[None]:
        """Call for each chunk held, spoiled or delayed, and each connection refused, in a block.

        With `every` call for whatever clients say: nobody answers them.
        """
        self._hit, self._said = hit, hit if every else _nobody_counts
        yield
        self._hit = self._said = _nobody_counts

    @contextmanager
    def refusing(self) -> Iterator[None]:
        """Break every connection and take no new one for the length of a block."""
        self._refusing = True
        for _ in range(self.cut()):
            self._hit()
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
        with contextlib.suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)  # wakes who accepts
        self._server.close()
        self.cut()

    def _accept(self) -> None:
        while not self._closed:
            try:
                client, _ = self._server.accept()
            except OSError:
                continue
            if self._refusing or not self._joined(client):
                self._hit()
                client.close()

    def _joined(self, client: socket.socket) -> bool:
        try:
            server = socket.create_connection(("127.0.0.1", self._target()), timeout=5)
        except OSError:
            return False
        server.settimeout(None)
        link = Link(client, server)
        with self._lock:
            self._links.add(link)
        if self._closed:
            link.abort()
        for from_client in (True, False):
            threading.Thread(target=self._pump, args=(link, from_client), daemon=True).start()
        return True

    def _pump(self, link: Link, from_client: bool) -> None:
        try:
            self._pass(link, from_client)
        except OSError:  # one side broke: so does the other
            link.end()
        self._left(link)

    def _left(self, link: Link) -> None:
        with self._lock:
            link.pumps -= 1
            if link.pumps:
                return
            self._links.discard(link)
        link.close()

    def _pass(self, link: Link, from_client: bool) -> None:
        ends = (link.client, link.server)
        source, sink = ends if from_client else reversed(ends)
        while data := source.recv(CHUNK):
            self._wait(data, from_client=from_client)
            if from_client:
                link.asked = data
                self._said()
            passed = self._spoiled(Chunk(data, from_client, link.asked))
            if isinstance(passed, Answer):
                source.sendall(passed.data)
            if not isinstance(passed, bytes):
                link.end()
                return
            sink.sendall(passed)
        sink.shutdown(socket.SHUT_WR)

    def _wait(self, data: bytes, *, from_client: bool) -> None:
        way = self._open[from_client]
        if not way.is_set() and data != AMQP_HEARTBEAT:
            self._hit()
        way.wait()

    def _spoiled(self, chunk: Chunk) -> bytes | Answer | None:
        passed = self._spoil(chunk) if self._spoil else chunk.data
        if passed is not chunk.data:
            self._hit()
        if isinstance(passed, Late):
            threading.Event().wait(passed.seconds)
            return passed.data
        return passed


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

    def spoil(chunk: Chunk) -> bytes | None:
        return None if chunk.from_client and draw.random() < share else chunk.data

    return spoil


def keeping_commit_replies(share: float, draw: Random) -> Spoil:
    """Let what commits through and cut the connection instead of this share of the replies.

    A claim is one statement, which commits by itself.
    """

    def spoil(chunk: Chunk) -> bytes | None:
        commits = any(each in chunk.asked for each in COMMITTING)
        reply = not chunk.from_client and commits
        return None if reply and draw.random() < share else chunk.data

    return spoil


def unavailable(share: float, draw: Random) -> Spoil:
    """Answer 503 to this share of HTTP requests."""
    said = b"HTTP/1.1 503 Slow Down\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"

    def spoil(chunk: Chunk) -> bytes | Answer:
        begins = chunk.from_client and chunk.data.startswith((
            b"PUT ",
            b"GET ",
            b"POST ",
            b"HEAD ",
            b"DELETE ",
        ))
        return Answer(said) if begins and draw.random() < share else chunk.data

    return spoil


def truncating(after: int) -> Spoil:
    """End a connection in the middle of an answer larger than this."""

    def spoil(chunk: Chunk) -> bytes | None:
        return chunk.data if chunk.from_client or len(chunk.data) < after else None

    return spoil


def corrupting(larger: int) -> Spoil:
    """Turn over the last byte of each large chunk of an answer: the body, hardly the headers."""

    def spoil(chunk: Chunk) -> bytes:
        if chunk.from_client or len(chunk.data) < larger:
            return chunk.data
        return chunk.data[:-1] + bytes([chunk.data[-1] ^ 0xFF])

    return spoil


def slow(bytes_a_second: int) -> Spoil:
    """Let so much through a second, on each connection and in each direction."""

    def spoil(chunk: Chunk) -> Late:
        return Late(chunk.data, min(len(chunk.data) / bytes_a_second, 30))

    return spoil


def noticing(wanted: Callable[[Chunk], bool], then: Callable[[], None]) -> Spoil:
    """Do something at the first chunk of a kind, and cut its connection instead of passing it."""
    noticed = threading.Lock()

    def spoil(chunk: Chunk) -> bytes | None:
        if wanted(chunk) and noticed.acquire(blocking=False):
            then()
            return None
        return chunk.data

    return spoil
