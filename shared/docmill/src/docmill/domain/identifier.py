"""Identifiers that sort by the time they were made (UUID version 7, RFC 9562)."""

import secrets
import time
from typing import Final
from uuid import UUID

FIRST: Final = UUID(int=0)  # before every identifier: where going through them begins


def new_id() -> UUID:
    """Return a fresh UUIDv7: 48 bits of milliseconds, then 74 random bits."""
    milliseconds = time.time_ns() // 1_000_000
    value = (milliseconds & (2**48 - 1)) << 80
    value |= 0x7 << 76
    value |= secrets.randbits(12) << 64
    value |= 0b10 << 62
    value |= secrets.randbits(62)
    return UUID(int=value)
