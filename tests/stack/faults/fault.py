"""What a fault is."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from random import Random
from typing import Any

from tests.stack.routed import Routed

Fault = Callable[[Routed, Random], AbstractContextManager[Any]]


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
