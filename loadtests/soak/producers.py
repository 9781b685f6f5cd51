"""Callers that upload for as long as the soak lasts, some of it work that must fail."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Final

from deploy.local.stack import Stack
from docmill.testing.documents import (
    born_digital_pdf,
    dense_page,
    encrypted_pdf,
    scanned_pdf,
    tiff,
    truncated,
)
from tests.stack.flow import Caller, caller

BACKLOG: Final = 40  # documents a producer lets wait; else the soak would measure its own flood
POOL: Final = 60  # different pages; their metadata makes each upload a document of its own
REJECTED: Final = 0.5  # of what must fail: files that nobody can open; the rest fails in work
HOPELESS: Final = ("unreadable", "segfault")  # what the possessed OCR does with a page so named


@dataclass(slots=True)
class Tally:
    """What the producers know to be accepted, by the end they expect of it."""

    expected: dict[str, list[str]] = field(
        default_factory=lambda: {"ready": [], "rejected": [], "failed": []}
    )
    refused: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, end: str, document: str) -> None:
        with self.lock:
            self.expected[end].append(document)

    @property
    def accepted(self) -> int:
        return sum(len(each) for each in self.expected.values())


@dataclass(frozen=True, slots=True)
class Upload:
    """A file, the first word of its name, and the end that it must come to."""

    end: str
    name: str
    body: bytes


class Shelf:
    """The files that are uploaded again and again."""

    def __init__(self, draw: Random) -> None:
        seeds = [draw.randrange(10**6) for _ in range(POOL)]
        self._good = [dense_page(seed, dpi=150, characters=600) for seed in seeds]
        self._good += [born_digital_pdf(3), scanned_pdf(3), tiff(2)]
        self._bad = [encrypted_pdf(), truncated(scanned_pdf(1)), b"%PDF-1.7 of nothing"]

    def take(self, draw: Random, failing: float) -> Upload:
        """Draw a file, its name and the end that it must come to."""
        if draw.random() >= failing:
            return Upload("ready", "page", draw.choice(self._good))
        if draw.random() < REJECTED:
            return Upload("rejected", "page", draw.choice(self._bad))
        return Upload("failed", draw.choice(HOPELESS), draw.choice(self._good[:POOL]))


class Producer(threading.Thread):
    """One caller: uploads one file after another while not too many wait."""

    def __init__(
        self, number: int, client: Caller, shelf: Shelf, tally: Tally, **how: float
    ) -> None:
        super().__init__(name=f"producer-{number}", daemon=True)
        self._number = number
        self._client = client
        self._shelf = shelf
        self._tally = tally
        self._failing = how["failing"]
        self._draw = Random(f"{how['seed']}-{number}")
        self.may = threading.Event()  # cleared while the backlog is full
        self.stopped = threading.Event()

    @property
    def dead(self) -> bool:
        """Whether it ended before it was stopped: an answer that no caller should have got."""
        return not self.is_alive() and not self.stopped.is_set()

    def run(self) -> None:
        """Upload until stopped."""
        count = 0
        while not self.stopped.is_set():
            if self.may.wait(0.2):
                count += 1
                self._upload(f"{self._number}-{count}")

    def _upload(self, name: str) -> None:
        taken = self._shelf.take(self._draw, self._failing)
        try:
            document = self._client.upload(taken.body, f"{taken.name} {name}")
            self._tally.add(taken.end, document)
        except AssertionError:  # nobody answered for a minute and a half: no promise was made
            self._tally.refused += 1


@contextmanager
def producing(
    stack: Stack, count: int, tally: Tally, *, seed: int, failing: float
) -> Iterator[list[Producer]]:
    """Run so many producers for the length of a block; each has ended its last upload after it."""
    shelf = Shelf(Random(seed))
    with ExitStack() as clients:
        made = [
            Producer(
                number,
                clients.enter_context(caller(stack)),
                shelf,
                tally,
                seed=seed,
                failing=failing,
            )
            for number in range(count)
        ]
        for producer in made:
            producer.start()
        try:
            yield made
        finally:
            for producer in made:
                producer.stopped.set()
            for producer in made:
                producer.join()
