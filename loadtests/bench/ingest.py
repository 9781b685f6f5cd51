"""Uploads against bare S3 PUTs of the same bytes, by the same client, to the same store."""

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from http.client import HTTPConnection
from io import BytesIO
from random import Random
from typing import Any, Final
from urllib.parse import urlsplit

import psutil

from deploy.local.stack import BUCKET, Stack
from loadtests.bench import processor
from loadtests.bench.measure import Arm, Comparison, Goal, Sample
from loadtests.bench.size import Size
from loadtests.bench.stack import lift_quota
from tests.stack.whole import whole_stack

CLIENTS: Final = 8
PRODUCERS: Final = 10
SMALL: Final = 10_000  # bytes
LARGE: Final = 200_000_000
CHUNK: Final = 2**20
BARE_SMALL: Final = "bare S3 PUT"
BARE_LARGE: Final = "bare S3 multipart"
UNIQUE: Final = "upload"
MEMORY: Final = "most MB of ingest above its start"
CREATED: Final = frozenset({200, 201, 202})


def results(size: Size) -> Iterator[dict[str, Any]]:
    """Measure with nothing but ingest running: what follows an upload is not its cost."""
    with whole_stack() as stack:
        key = stack.make_tenant("load", "standard")
        lift_quota(stack)
        for name, service in stack.services.items():
            if name != "ingest":
                service.terminate()
        yield _small(stack, key, CLIENTS, size)
        yield _small(stack, key, PRODUCERS, size)
        yield _large(stack, key, size)


def _small(stack: Stack, key: str, clients: int, size: Size) -> dict[str, Any]:
    count = size.of(quick=100, full=600)
    sender = Sender(stack, key, clients)
    arms = [
        Arm(BARE_SMALL, lambda: sender.puts(count)),
        Arm(UNIQUE, lambda: sender.uploads(count)),
        Arm("upload with a new Idempotency-Key", lambda: sender.uploads(count, key=sender.fresh)),
        Arm("the same upload repeated", lambda: sender.uploads(count, key=lambda: "same")),
    ]
    try:
        return Comparison(
            name=f"ingest: files of 10 KB from {clients} clients",
            unit="upload",
            arms=arms,
            goals=[Goal(arm=UNIQUE, figure="ratio.median", least=0.5)],
            note="Both by http.client over kept connections; PUTs go to addresses signed before.",
        ).measure(size.rounds(quick=2, full=7))
    finally:
        sender.close()


class Sender:
    """The client of both arms: some threads, each with a connection of its own."""

    def __init__(self, stack: Stack, key: str, clients: int) -> None:
        self._stack = stack
        self._headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/pdf"}
        self._body = Random(7).randbytes(SMALL)
        self._numbers = itertools.count()
        self._pool = ThreadPoolExecutor(clients)
        self._own = threading.local()

    def fresh(self) -> str:
        """Return an Idempotency-Key that was never used."""
        return f"key-{id(self)}-{next(self._numbers)}"

    def puts(self, count: int) -> Sample:
        """Put so many objects."""
        paths = [self._signed(f"bare/{id(self)}/{next(self._numbers)}") for _ in range(count)]
        endpoint = self._stack.s3.endpoint
        return self._sent([partial(self._send, endpoint, "PUT", path, {}) for path in paths])

    def uploads(self, count: int, key: Callable[[], str] | None = None) -> Sample:
        """Upload so many documents."""

        def one() -> None:
            headers = self._headers | ({"Idempotency-Key": key()} if key else {})
            self._send(self._stack.api, "POST", "/v1/documents?name=a.pdf", headers)

        return self._sent([one] * count)

    def close(self) -> None:
        self._pool.shutdown()

    def _sent(self, works: list[Callable[[], None]]) -> Sample:
        latencies: list[float] = []

        def timed(work: Callable[[], None]) -> None:
            at = time.perf_counter()
            work()
            latencies.append(time.perf_counter() - at)

        before, own, began = processor.of_stack(self._stack), processor.here(), time.perf_counter()
        list(self._pool.map(timed, works))
        took = time.perf_counter() - began
        shares = processor.between(before, processor.of_stack(self._stack))
        shares["client"] = processor.here() - own
        cpu = sum(shares.values())
        return Sample(units=len(works), seconds=took, cpu=cpu, latencies=latencies, shares=shares)

    def _send(self, address: str, method: str, path: str, headers: dict[str, str]) -> None:
        connection = self._connection(address)
        connection.request(method, path, self._body, headers)
        answer = connection.getresponse()
        told = answer.read()
        if answer.status not in CREATED:
            raise RuntimeError(f"{method} {path}: {answer.status} {told[:200]!r}")

    def _connection(self, address: str) -> HTTPConnection:
        kept = self._own.__dict__.setdefault("kept", {})
        if address not in kept:
            parts = urlsplit(address)
            kept[address] = HTTPConnection(parts.hostname or "", parts.port, timeout=60)
        made: HTTPConnection = kept[address]
        return made

    def _signed(self, key: str) -> str:
        url = self._stack.s3.client.generate_presigned_url(
            "put_object", Params={"Bucket": BUCKET, "Key": key}
        )
        return url.removeprefix(self._stack.s3.endpoint)


def _large(stack: Stack, key: str, size: Size) -> dict[str, Any]:
    total = size.of(quick=50_000_000, full=LARGE)
    body = Random(3).randbytes(CHUNK) * (total // CHUNK)
    arms = [
        Arm(BARE_LARGE, lambda: _multipart(stack, body)),
        Arm(UNIQUE, lambda: _streamed(stack, key, body)),
    ]
    megabytes = len(body) // 10**6
    return Comparison(
        name=f"ingest: one file of {megabytes} MB",
        unit="MB",
        arms=arms,
        goals=[
            Goal(arm=UNIQUE, figure="ratio.median", least=0.7),
            Goal(arm=UNIQUE, figure=f"facts.{MEMORY}", most=64),
        ],
        note="Bare: boto3's own multipart transfer with its defaults (ten threads).",
    ).measure(size.rounds(quick=1, full=5))


def _multipart(stack: Stack, body: bytes) -> Sample:
    before, own, began = processor.of_stack(stack), processor.here(), time.perf_counter()
    stack.s3.client.upload_fileobj(BytesIO(body), BUCKET, f"bare/{time.monotonic_ns()}")
    took = time.perf_counter() - began
    used = sum(processor.between(before, processor.of_stack(stack)).values())
    return Sample(units=len(body) / 10**6, seconds=took, cpu=used + processor.here() - own)


def _streamed(stack: Stack, key: str, body: bytes) -> Sample:
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/pdf"}
    parts = urlsplit(stack.api)
    connection = HTTPConnection(parts.hostname or "", parts.port, timeout=300)
    before, own = processor.of_stack(stack), processor.here()
    with _watched(stack) as most:
        began = time.perf_counter()
        connection.request("POST", "/v1/documents", BytesIO(body), headers | _length(body))
        answer = connection.getresponse()
        told = answer.read()
        took = time.perf_counter() - began
    connection.close()
    if answer.status not in CREATED:
        raise RuntimeError(f"{answer.status} {told[:200]!r}")
    used = sum(processor.between(before, processor.of_stack(stack)).values())
    return Sample(
        units=len(body) / 10**6,
        seconds=took,
        cpu=used + processor.here() - own,
        facts={MEMORY: most[0] / 2**20},
    )


def _length(body: bytes) -> dict[str, str]:
    return {"Content-Length": str(len(body))}


@contextmanager
def _watched(stack: Stack) -> Iterator[list[float]]:
    """Give the most bytes that ingest took above what it had, looked at every 20 ms."""
    process = psutil.Process(stack.services["ingest"].process.pid)
    family = [process, *process.children(recursive=True)]
    start, most, over = _resident(family), [0.0], threading.Event()

    def watch() -> None:
        while not over.wait(0.02):
            most[0] = max(most[0], _resident(family) - start)

    with ExitStack() as block:
        thread = threading.Thread(target=watch)
        thread.start()
        block.callback(thread.join)
        block.callback(over.set)
        yield most


def _resident(family: list[psutil.Process]) -> float:
    return float(sum(each.memory_info().rss for each in family))
