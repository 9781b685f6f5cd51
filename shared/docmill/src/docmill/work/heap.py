"""The C library's heap."""

import ctypes
from contextlib import suppress
from typing import Final

_ARENA_MAX: Final = -8  # mallopt(3)


def share() -> None:
    """Let all threads to come use one heap: with one for each, eight keep 15 MB that none uses.

    Python objects are made by one thread at a time anyway. A C library that knows no such setting
    is left as it is.
    """
    with suppress(AttributeError):
        ctypes.CDLL(None).mallopt(_ARENA_MAX, 1)


def tidy() -> None:
    """Give the system back what the heap has free, in its middle too.

    Buffers of changing sizes leave gaps, and the heap grows although it has room: scans of one
    size took a child from 97 to 122 MB within a thousand pages. Where nothing is free, or the C
    library knows no such thing, nothing happens.
    """
    with suppress(AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
