"""How fast a document's state is told, to a hundred clients that ask."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from typing import Any, Final
from urllib.parse import urlsplit

import psycopg

from deploy.local.stack import Stack
from loadtests.bench import corpus, processor
from loadtests.bench.measure import Arm, Comparison, Goal, Sample
from loadtests.bench.size import Size
from tests.stack.flow import caller
from tests.stack.whole import whole_stack

CLIENTS: Final = 100
CONNECTIONS: Final = 8  # what ingest's pool and a bare reader both may use
POLL_SECONDS: Final = 1.0  # how often a client asks that waits for its document
BARE: Final = "bare SELECT by key"
ROW: Final = "SELECT * FROM document WHERE id = %s"


def results(size: Size) -> Iterator[dict[str, Any]]:
    """Measure clients that poll, and clients that ask as fast as they can."""
    with whole_stack() as stack:
        with caller(stack) as client:
            document = client.upload(corpus.few_lines(1))
            client.ended([document])
        polls = size.of(quick=3, full=15)
        yield Comparison(
            name=f"reads: {CLIENTS} clients that ask once a second",
            unit="read",
            arms=[
                Arm(BARE, lambda: _selects(stack, document, CLIENTS * polls)),
                Arm("GET /v1/documents/{id}", lambda: _gets(stack, document, polls, POLL_SECONDS)),
            ],
            goals=[Goal(arm="GET /v1/documents/{id}", figure="p95_ms", most=50)],
            note="The bare reader asks as fast as it can, so only its processor time compares.",
        ).measure(size.rounds(quick=1, full=3))
        many = size.of(quick=5, full=30)
        yield Comparison(
            name=f"reads: {CLIENTS} clients without a pause",
            unit="read",
            arms=[
                Arm(BARE, lambda: _selects(stack, document, CLIENTS * many)),
                Arm("GET /v1/documents/{id}", lambda: _gets(stack, document, many, 0)),
            ],
            note="Every client's next request leaves when its last was answered.",
        ).measure(size.rounds(quick=1, full=5))


def _gets(stack: Stack, document: str, count: int, pause: float) -> Sample:
    """Have every client ask so often; each begins at a moment of its own."""
    latencies: list[float] = []
    parts = urlsplit(stack.api)
    headers = {"Authorization": f"Bearer {stack.key}"}
    path = f"/v1/documents/{document}"

    def client(number: int) -> None:
        connection = HTTPConnection(parts.hostname or "", parts.port, timeout=60)
        rest = threading.Event()
        rest.wait(pause * number / CLIENTS)
        for _ in range(count):
            at = time.perf_counter()
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            answer.read()
            took = time.perf_counter() - at
            latencies.append(took)
            rest.wait(max(0.0, pause - took))
        connection.close()

    return _crowd(stack, client, CLIENTS, count, latencies)


def _selects(stack: Stack, document: str, count: int) -> Sample:
    latencies: list[float] = []

    def reader(_: int) -> None:
        with psycopg.connect(stack.database_url, autocommit=True) as connection:
            for _ in range(count // CONNECTIONS):
                at = time.perf_counter()
                connection.execute(ROW, (document,)).fetchone()
                latencies.append(time.perf_counter() - at)

    return _crowd(stack, reader, CONNECTIONS, count // CONNECTIONS, latencies)


def _crowd(
    stack: Stack, work: Callable[[int], None], threads: int, each: int, latencies: list[float]
) -> Sample:
    before, own, began = processor.of_stack(stack), processor.here(), time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, range(threads)))
    took = time.perf_counter() - began
    shares = processor.between(before, processor.of_stack(stack))
    shares["client"] = processor.here() - own
    return Sample(
        units=threads * each,
        seconds=took,
        cpu=sum(shares.values()),
        latencies=latencies,
        shares=shares,
    )
