"""A stack under a light load, watched by the shipped rules at sixty times their speed."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import count
from typing import Final, Self

import httpx
import pytest

from deploy.local.stack import Stack
from docmill.testing.documents import blank_page, born_digital_pdf, dense_page, truncated
from tests.stack.flow import Caller, caller
from tests.stack.monitoring import Monitoring, monitoring
from tests.stack.promql import Asked
from tests.stack.receiver import answering, receiving
from tests.stack.whole import QUICK_FAULTS, whole_stack

EACH_SECOND: Final = "* * * * * *"
PAUSE: Final = 0.15  # seconds between the requests of the load
SETTINGS: Final = QUICK_FAULTS | {
    "DOCMILL_CRON_ERASURE": EACH_SECOND,
    "DOCMILL_CRON_RETENTION": EACH_SECOND,
    "DOCMILL_CRON_ORPHANS": "*/10 * * * * *",
    "DOCMILL_CRON_AUDIT": "*/10 * * * * *",
    "DOCMILL_CHILD_RECYCLE_AFTER": "5",
    "DOCMILL_WEBHOOK_ALLOW_HTTP": "true",
}


class Load:
    """Sends what every panel is about, again and again, whatever the answers are."""

    def __init__(self, client: Caller) -> None:
        self._http = client.http
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="load")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        for number in count():
            with suppress(httpx.HTTPError):
                self._step(number)
            if self._stopped.wait(PAUSE):
                return

    def _step(self, number: int) -> None:
        self._http.get("/v1/usage")
        match number % 10:
            case 0:
                self._waited(self._sent(dense_page(number, dpi=100, characters=200)))
            case 2:
                self._sent(born_digital_pdf(1))
            case 4:
                self._sent(truncated(born_digital_pdf(1)))  # rejected, with a code
            case 6:
                self._sent(blank_page(), **{"Idempotency-Key": "the-same"})
            case 7:
                self._sent(b"")  # refused, with a code
            case 8:
                self._http.get("/v1/usage", headers={"Authorization": "Bearer wrong"})
            case _:
                self._http.get("/v1/documents")

    def _sent(self, body: bytes, **headers: str) -> str:
        answer = self._http.post("/v1/documents", content=body, headers=headers)
        return str(answer.json().get("id", ""))

    def _waited(self, document: str) -> None:
        if document:
            self._http.get(f"/v1/documents/{document}", params={"wait": "1"})


class Busy:
    """A tenant that gives the workers something to do."""

    def __init__(self, client: Caller) -> None:
        self.client = client
        self._seeds = count(100_000)  # pages unlike the load's: equal ones would be read once

    def upload(self, pages: int) -> list[str]:
        """Upload one-page scans, and return the documents' ids."""
        scans = [dense_page(next(self._seeds), dpi=100, characters=300) for _ in range(pages)]
        return [self.client.upload(scan) for scan in scans]


Told = Callable[[dict[Asked, int]], None]
_COUNTS: dict[Asked, int] = {}


@pytest.fixture(scope="session")
def tell_counts() -> Told:
    """Have the number of answers to each panel's query printed at the end."""
    return _COUNTS.update


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if _COUNTS:
        terminalreporter.section("samples that answered each panel's query within a minute")
    for asked, samples in _COUNTS.items():
        expr = " ".join(asked.expr.split())
        terminalreporter.write_line(f"{samples:6} {asked.where}: {expr}")


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    with whole_stack(**SETTINGS) as stack:
        yield stack


@contextmanager
def told_tenant(stack: Stack, name: str) -> Iterator[Caller]:
    """Make a tenant that has webhooks, and give its client."""
    with caller(stack, stack.make_tenant(name)) as client, receiving(answering(200)) as receiver:
        stack.admin("endpoint", "create", name, f"http://127.0.0.1:{receiver.port}/")
        yield client


@pytest.fixture(scope="session")
def watched(stack: Stack) -> Iterator[Monitoring]:
    """The stack, loaded and watched."""
    with told_tenant(stack, "watched") as client, Load(client), monitoring(stack) as watched:
        yield watched


@pytest.fixture(scope="session")
def busy(stack: Stack) -> Iterator[Busy]:
    """A second tenant, which waits for nobody."""
    with told_tenant(stack, "busy") as client:
        yield Busy(client)
