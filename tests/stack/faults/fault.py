"""What a fault is, and how it tells what it hit."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from random import Random

from tests.stack.routed import Routed


@dataclass(slots=True)
class Toll:
    """What a fault has hit so far of the work in flight; `what` says of what kind it is."""

    what: str
    hits: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def add(self, more: int = 1) -> None:
        """Count hits that come one after the other."""
        with self._lock:
            self.hits += more

    def most(self, seen: int) -> None:
        """Keep the largest of several looks at the same."""
        with self._lock:
            self.hits = max(self.hits, seen)


Fault = Callable[[Routed, Random], AbstractContextManager[Toll]]


@contextmanager
def again_and_again(act: Callable[[], object], *, every: float) -> Iterator[None]:
    """Act at once and every so many seconds, for the length of a block."""
    over = threading.Event()

    def repeat() -> None:
        act()
        while not over.wait(every):
            act()

    with ThreadPoolExecutor(1) as thread:
        acting = thread.submit(repeat)
        try:
            yield
        finally:
            over.set()
    acting.result()
