"""All of docmill for a test: servers and services of its own, gone without a trace afterwards."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import copytree, rmtree
from typing import Final, TypeVar
from uuid import uuid4

from deploy.local.run_tests import ROOT
from deploy.local.stack import Stack
from tests.stack.interrupt import interrupted_by_sigterm

S = TypeVar("S", bound=Stack)

# Faults at a tenth of the usual times, so that a chaos test takes seconds.
QUICK_FAULTS: Final = {
    "DOCMILL_LEASE_SECONDS": "4.5",
    "DOCMILL_LEASE_MARGIN_SECONDS": "1",
    "DOCMILL_RENEW_SECONDS": "1",
    "DOCMILL_WATCH_SECONDS": "0.2",
    "DOCMILL_REHINT_SECONDS": "1.5",
    "DOCMILL_RETRY_BASE_SECONDS": "0.5",
    "DOCMILL_SWEEP_SECONDS": "0.5",
    "DOCMILL_DRAIN_SECONDS": "3",
    "DOCMILL_RABBITMQ_HEARTBEAT_SECONDS": "3",
    "DOCMILL_RABBITMQ_BLOCKED_SECONDS": "2",
    "DOCMILL_S3_CONNECT_SECONDS": "0.5",
    "DOCMILL_S3_READ_SECONDS": "2",
    "DOCMILL_DATABASE_STATEMENT_TIMEOUT_SECONDS": "2",
    "DOCMILL_DATABASE_SILENCE_SECONDS": "2",
}
KEPT_LOGS: Final = ROOT / ".local" / "test" / "logs"


@contextmanager
def whole_stack(**settings: str) -> Iterator[Stack]:
    """Run everything for the length of a block; `settings` are `DOCMILL_*` variables."""
    with whole(lambda root: Stack(root, settings=settings)) as stack:
        yield stack


@contextmanager
def whole(make: Callable[[Path], S]) -> Iterator[S]:
    """Run the stack that `make` makes under a root of its own; SIGTERM ends it as Ctrl-C does.

    The logs are kept in `.local/test/logs`, for they are what a failure is understood by.
    """
    # Not in pytest's own folder: PostgreSQL and the children run as others than root.
    root = (ROOT / ".local" / "test" / "stacks" / uuid4().hex[:8]).resolve()
    with interrupted_by_sigterm():
        stack = make(root)
        try:
            stack.start()
            yield stack
        finally:
            stack.kill()
            keep_logs(root)
            rmtree(root, ignore_errors=True)


def keep_logs(root: Path) -> None:
    target = KEPT_LOGS / root.name
    rmtree(target, ignore_errors=True)
    if (root / "logs").exists():
        copytree(root / "logs", target)
