"""A binding to Landlock, the kernel's sandbox for files, TCP and signals.

The bindings on PyPI are pre-releases or a few months old; the interface is three system calls.
"""

import ctypes
import os
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntFlag
from pathlib import Path
from typing import Final

# Numbers are the same on every architecture; all were added after the tables were unified.
_CREATE_RULESET: Final = 444
_ADD_RULE: Final = 445
_RESTRICT_SELF: Final = 446
_RULE_PATH_BENEATH: Final = 1
_VERSION: Final = 1
_TCP: Final = 0b11  # bind and connect
_SCOPES: Final = 0b11  # abstract unix sockets and signals
_TRUNCATE_SINCE: Final = 3
_TCP_SINCE: Final = 4
_SCOPES_SINCE: Final = 6


class Access(IntFlag):
    """What may be done beneath a path, by the first Landlock version that knows it."""

    EXECUTE = 1 << 0
    WRITE_FILE = 1 << 1
    READ_FILE = 1 << 2
    READ_DIR = 1 << 3
    REMOVE_DIR = 1 << 4
    REMOVE_FILE = 1 << 5
    MAKE_CHAR = 1 << 6
    MAKE_DIR = 1 << 7
    MAKE_REG = 1 << 8
    MAKE_SOCK = 1 << 9
    MAKE_FIFO = 1 << 10
    MAKE_BLOCK = 1 << 11
    MAKE_SYM = 1 << 12
    REFER = 1 << 13  # version 2
    TRUNCATE = 1 << 14  # version 3
    IOCTL_DEV = 1 << 15  # version 5


READ: Final = Access.READ_FILE | Access.READ_DIR
WRITE: Final = (
    READ
    | Access.WRITE_FILE
    | Access.REMOVE_DIR
    | Access.REMOVE_FILE
    | Access.MAKE_DIR
    | Access.MAKE_REG
    | Access.TRUNCATE
)
_OF_A_FILE: Final = Access.EXECUTE | Access.WRITE_FILE | Access.READ_FILE | Access.TRUNCATE
_NEWER: Final = {2: Access.REFER, _TRUNCATE_SINCE: Access.TRUNCATE, 5: Access.IOCTL_DEV}


class _Ruleset(ctypes.Structure):
    _fields_ = [
        ("files", ctypes.c_uint64),
        ("network", ctypes.c_uint64),
        ("scoped", ctypes.c_uint64),
    ]


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = [("access", ctypes.c_uint64), ("parent", ctypes.c_int32)]


@dataclass(frozen=True, slots=True)
class Allowance:
    """What stays allowed beneath a path."""

    path: Path
    access: Access


def version() -> int:
    """Return the kernel's Landlock version, 0 where there is none."""
    try:
        return _syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(_VERSION))
    except OSError:
        return 0


def restrict(allowed: Iterable[Allowance]) -> tuple[str, ...]:
    """Allow this thread, and those it starts, nothing but what is listed, for ever.

    Paths that do not exist are passed over. Return `("landlock",)` where the kernel has none, or
    one too old to hold back truncation.
    """
    known = version()
    if known == 0:
        return ("landlock",)
    handled = _handled(known)
    rules = _Ruleset(
        files=handled,
        network=_TCP if known >= _TCP_SINCE else 0,
        scoped=_SCOPES if known >= _SCOPES_SINCE else 0,
    )
    ruleset = _syscall(
        _CREATE_RULESET, ctypes.byref(rules), ctypes.c_size_t(_size(known)), ctypes.c_uint32(0)
    )
    for allowance in allowed:
        _allow(ruleset, allowance, handled)
    _syscall(_RESTRICT_SELF, ctypes.c_int(ruleset), ctypes.c_uint32(0))
    os.close(ruleset)
    return () if known >= _TRUNCATE_SINCE else ("landlock",)


def _handled(known: int) -> Access:
    handled = Access.MAKE_SYM | Access(Access.MAKE_SYM - 1)
    for since, access in _NEWER.items():
        handled |= access if known >= since else Access(0)
    return handled


def _size(known: int) -> int:
    if known >= _SCOPES_SINCE:
        return 24
    return 16 if known >= _TCP_SINCE else 8


def _allow(ruleset: int, allowance: Allowance, handled: Access) -> None:
    try:
        place = os.open(allowance.path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    access = allowance.access & handled
    if not allowance.path.is_dir():
        access &= _OF_A_FILE
    rule = _PathBeneath(access=access, parent=place)
    _syscall(
        _ADD_RULE,
        ctypes.c_int(ruleset),
        ctypes.c_int(_RULE_PATH_BENEATH),
        ctypes.byref(rule),
        ctypes.c_uint32(0),
    )
    os.close(place)


def _syscall(number: int, *arguments: object) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    result = int(libc.syscall(ctypes.c_long(number), *arguments))
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error), "landlock")
    return result
