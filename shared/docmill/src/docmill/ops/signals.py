"""The signals that tell a process to leave, heard by a thread of their own.

A handler in Python runs in the main thread, between two of its bytecodes. It runs late or never
when the kernel gave the signal to another thread while the main one waits for a lock (seen with
CPython 3.11 while children are being started: 8 of 100 stops), and it deadlocks when it interrupts
the main thread inside the very lock it needs (`Event.set` within `Event.wait`). The interpreter's
handler in C does neither: it writes the signal's number into a pipe, whatever it interrupts.
"""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

_LEAVE: Final = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def heard(told: Callable[[], None]) -> Iterator[None]:
    """Call `told` at each SIGTERM and SIGINT while the block runs; the main thread alone may ask.

    It is called in an ordinary thread, so that it may lock, log and wait.
    """
    ear, mouth = os.pipe()
    os.set_blocking(mouth, False)
    listener = threading.Thread(target=_listen, args=(ear, told), name="signals", daemon=True)
    listener.start()
    before = signal.set_wakeup_fd(mouth, warn_on_full_buffer=False)
    handlers = {number: signal.signal(number, _nothing) for number in _LEAVE}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(before)
        os.close(mouth)
        listener.join()
        os.close(ear)


def _listen(ear: int, told: Callable[[], None]) -> None:
    while numbers := os.read(ear, 64):
        for number in numbers:
            if number in _LEAVE:
                told()


def _nothing(*_: object) -> None:
    """Without a handler of Python's the interpreter writes no number."""
