"""What the worker runtime fetches and stores, when the store is slow or the claim is gone."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from docmill.ops.settings import StoreSettings
from docmill.ports import Stored
from docmill.testing.children import keeper
from tests.stack.bench import Workplace, workplace
from tests.stack.ledger import TENANT, desk
from tests.stack.wait import until


@contextmanager
def working_place(url: str, store: StoreSettings, **changes: Any) -> Iterator[Workplace]:
    with (
        keeper() as kept,
        desk(url, lease=timedelta(seconds=4)) as ledger,
        workplace(ledger, store, kept, **changes) as made,
    ):
        yield made


@pytest.fixture
def place(database_url: str, blob_settings: StoreSettings) -> Iterator[Workplace]:
    with working_place(database_url, blob_settings) as made:
        yield made


# ── a store that drips ──────────────────────────────────────────────────────────────────────────
@pytest.fixture
def dripping(place: Workplace) -> threading.Event:
    """Every fetch brings a little, for ever; set once the first has begun."""
    begun = threading.Event()

    def fetch(key: str, path: Path, check: Callable[[], None]) -> Stored:
        begun.set()
        return _drip(key, path, check)

    place.blobs.instead["fetch"] = fetch
    return begun


def test_a_cancel_ends_a_fetch_that_drips(place: Workplace, dripping: threading.Event) -> None:
    document = place.accept("echo")
    working = place.begin(place.hints()[0])
    dripping.wait()
    place.desk.lifecycle.cancel(TENANT, document, by="test")
    working.result(timeout=10)
    assert place.page(document)["state"] == "cancelled"


def test_a_fetch_that_drips_has_the_tasks_time(
    database_url: str, blob_settings: StoreSettings
) -> None:
    deadline = timedelta(seconds=0.3)
    with working_place(database_url, blob_settings, deadline=lambda _: deadline) as place:
        document = place.accept("echo")
        place.blobs.instead["fetch"] = _drip
        place.turn()
        task = place.page(document)
    # the store answers the probe: this key's trouble, or one moment's
    assert (task["state"], task["code"], task["attempt"]) == ("scheduled", "store_down", 0)


def _drip(key: str, path: Path, check: Callable[[], None]) -> Stored:
    while True:
        check()
        threading.Event().wait(0.02)


# ── transfers that come too late ────────────────────────────────────────────────────────────────
class Held:
    """Lets every put wait before it looks at its file, until it is let go."""

    def __init__(self, place: Workplace) -> None:
        self._put = place.blobs.put_file
        self._gates: dict[str, threading.Event] = {}
        self._done: list[str] = []
        place.blobs.instead["put_file"] = self._held

    def of(self, document: UUID) -> str:
        """The key of the document's artifact that waits, empty while none does."""
        return next((key for key in tuple(self._gates) if str(document) in key), "")

    def let_go(self, key: str) -> None:
        """Have that put go on, and wait for its end."""
        self._gates[key].set()
        until(lambda: key in self._done)

    def _held(self, key: str, path: Path, *, media_type: str) -> Stored:
        gate = self._gates.setdefault(key, threading.Event())
        gate.wait(30)
        try:
            stored: Stored = self._put(key, path, media_type=media_type)
            return stored
        finally:
            self._done.append(key)


def test_a_put_that_was_given_up_stores_nothing_of_the_next_document(place: Workplace) -> None:
    first, second = place.accept("echo", text=b"first"), place.accept("echo", text=b"second")
    puts = Held(place)
    one, other = place.hints()
    working = place.begin(one)
    late = until(lambda: puts.of(first))
    place.desk.lifecycle.cancel(TENANT, first, by="test")
    working.result(timeout=10)
    working = place.begin(other)
    key = until(lambda: puts.of(second))
    place.blobs.instead.clear()  # what is put from now on is not held
    puts.let_go(late)
    puts.let_go(key)
    working.result(timeout=10)
    assert place.page(second)["state"] == "done"
    assert place.blobs.head(late) is None
