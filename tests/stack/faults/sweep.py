"""The scheduler's sweeps and prunings as often and as early as can be, beside work in flight."""

from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from typing import Final, LiteralString

from tests.stack.faults.fault import Fault, Toll, again_and_again
from tests.stack.faults.flight import count, running
from tests.stack.routed import Routed
from tests.stack.setting import with_settings

SWEPT: Final[LiteralString] = (
    "SELECT count(*) FROM cron_run WHERE job = 'orphans' AND state = 'succeeded'"
)
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
def sweeps_racing(stack: Routed, draw: Random) -> Iterator[Toll]:
    """Every sweep each second; what no row refers to goes at once, beside work in flight."""
    toll = Toll("sweeps beside work")
    before = count(stack, SWEPT)

    def look() -> None:
        if running(stack):
            toll.most(count(stack, SWEPT) - before)

    with with_settings(stack.services["scheduler"], EAGER), again_and_again(look, every=0.5):
        yield toll


FAULTS: Final[tuple[Fault, ...]] = (sweeps_racing,)
