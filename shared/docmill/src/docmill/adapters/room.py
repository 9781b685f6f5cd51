"""Memory that is asked for ahead, because a library that gets none does not say so.

pdfium then leaves a picture out, and libjpeg calls a sound file broken. A MemoryError has the task
run again instead, alone and with more memory.
"""

import mmap


def ask(size: int, purpose: str) -> None:
    """Raise MemoryError, with the purpose, unless so many bytes can be had now."""
    if not has(size):
        raise MemoryError(f"{purpose} takes {size >> 20} MB")


def has(size: int) -> bool:
    """Whether so many bytes can be had now.

    They are set aside and given back untouched, which takes a few microseconds.
    """
    try:
        mmap.mmap(-1, max(size, 1), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS).close()
    except OSError:
        return False
    return True
