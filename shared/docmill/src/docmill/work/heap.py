"""The C library's heap."""

import ctypes
from contextlib import suppress
from typing import Final

_ARENA_MAX: Final = -8  # mallopt(3)


def share() -> None:
    """Let all threads to come use one heap: with one for each, eight keep 15 MB that none uses.

    The interpreter lets one thread at a time allocate anyway. Only glibc has more than one heap.
    """
    with suppress(AttributeError):
        ctypes.CDLL(None).mallopt(_ARENA_MAX, 1)
