"""Callers who upload and read at a steady pace, and never try anything twice."""

import itertools
import threading
import time
from collections import Counter
from types import TracebackType
from typing import Final, Self

import httpx

CONNECTIONS: Final = 8
PACE: Final = 0.36  # seconds between a caller's requests: 22 requests a second by eight


class Load:
    """Runs while its block does; half of the requests are uploads."""

    def __init__(self, api: str, key: str, document: bytes, *, pace: float = PACE) -> None:
        self._api = api
        self._headers = {"Authorization": f"Bearer {key}"}
        self._document = document
        self._pace = pace
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._call) for _ in range(CONNECTIONS)]
        self.accepted: list[str] = []
        self.answers: Counter[str] = Counter()
        self.seconds = 0.0

    def __enter__(self) -> Self:
        self._began = time.monotonic()
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()
        self.seconds = time.monotonic() - self._began

    @property
    def requests(self) -> int:
        return sum(self.answers.values())

    @property
    def failures(self) -> dict[str, int]:
        """What was not answered as it should be, by what came instead."""
        return {told: count for told, count in self.answers.items() if told not in {"200", "202"}}

    def __str__(self) -> str:
        rate = self.requests / self.seconds
        failed = sum(self.failures.values())
        return f"{self.requests} requests at {rate:.0f}/s, {failed} failed {self.failures or ''}"

    def _call(self) -> None:
        mine: list[str] = []
        with httpx.Client(base_url=self._api, headers=self._headers, timeout=60) as client:
            due = time.monotonic()
            for turn in itertools.count():
                if self._stop.wait(max(0.0, due - time.monotonic())):
                    break
                self._one(client, mine, reads=turn % 2 == 1 and bool(mine))
                due += self._pace
        self.accepted += mine

    def _one(self, client: httpx.Client, mine: list[str], *, reads: bool) -> None:
        try:
            if reads:
                answer = client.get(f"/v1/documents/{mine[-1]}")
            else:
                answer = client.post("/v1/documents?outputs=words", content=self._document)
                if answer.status_code == httpx.codes.ACCEPTED:
                    mine.append(answer.json()["id"])
            self.answers[str(answer.status_code)] += 1
        except httpx.HTTPError as error:
            self.answers[repr(error)] += 1
