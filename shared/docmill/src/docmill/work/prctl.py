"""The few calls of Linux's prctl(2) that the runtime and its children need."""

import ctypes
import os
import signal
from typing import Final

_SET_PDEATHSIG: Final = 1
_SET_DUMPABLE: Final = 4
_SET_CHILD_SUBREAPER: Final = 36
_SET_NO_NEW_PRIVS: Final = 38


def die_with_parent() -> None:
    """Have the kernel kill this process when the thread that started it ends.

    A change of uid or gid forgets it: call it again after one.
    """
    _prctl(_SET_PDEATHSIG, signal.SIGKILL)


def hide_memory() -> None:
    """Keep processes of the same user out of this one's /proc files: memory, environment, fds."""
    _prctl(_SET_DUMPABLE, 0)


def adopt_orphans() -> None:
    """Become the parent of every descendant whose own parent ends, so that we can end it too."""
    _prctl(_SET_CHILD_SUBREAPER, 1)


def give_up_privileges() -> None:
    """Never gain a privilege by execve again; Landlock and seccomp ask for it."""
    _prctl(_SET_NO_NEW_PRIVS, 1)


def _prctl(option: int, value: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0) != 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error), "prctl")
