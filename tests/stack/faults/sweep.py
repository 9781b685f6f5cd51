"""The scheduler's sweeps and prunings as often and as early as can be, beside work in flight."""

from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from typing import Final

from tests.stack.faults.fault import Fault
from tests.stack.routed import Routed
from tests.stack.setting import with_settings

EACH_SECOND: Final = "* * * * * *"
EAGER: Final = {
    f"DOCMILL_CRON_{job}": EACH_SECOND
    for job in ("RETENTION", "ERASURE", "UPLOADS", "ORPHANS", "MULTIPART", "IDEMPOTENCY", "WORKERS")
} | {
    "DOCMILL_ORPHAN_WAIT_SECONDS": "0",
    "DOCMILL_ORPHAN_LIMIT_PERCENT": "100",
    "DOCMILL_KEEP_WORKERS_SECONDS": "1",
}


@contextmanager
def sweeps_racing(stack: Routed, draw: Random) -> Iterator[None]:
    """Every sweep each second; what no row refers to goes at once, beside work in flight."""
    with with_settings(stack.services["scheduler"], EAGER):
        yield


FAULTS: Final[tuple[Fault, ...]] = (sweeps_racing,)
