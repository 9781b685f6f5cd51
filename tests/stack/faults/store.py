"""S3 that dies, freezes, refuses, slows down, or gives other bytes than were stored."""

from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from typing import Final

from tests.stack.faults.fault import Fault, Toll
from tests.stack.proxy import Spoil, corrupting, slow, truncating, unavailable
from tests.stack.routed import Routed


@contextmanager
def _spoiling(stack: Routed, spoil: Spoil) -> Iterator[Toll]:
    way, toll = stack.routes["seaweedfs"], Toll("chunks")
    with way.counting(toll.add), way.spoiling(spoil):
        yield toll


@contextmanager
def s3_killed(stack: Routed, draw: Random) -> Iterator[Toll]:
    """SIGKILL of the S3 server, which stays away for a while."""
    toll = Toll("calls")
    with stack.routes["seaweedfs"].counting(toll.add):
        stack.s3.kill()
        yield toll
    stack.s3.start()


@contextmanager
def s3_frozen(stack: Routed, draw: Random) -> Iterator[Toll]:
    """The S3 server accepts connections and answers nothing."""
    toll = Toll("calls")
    with stack.routes["seaweedfs"].counting(toll.add, every=True):
        stack.s3.pause()
        yield toll
        stack.s3.resume()


@contextmanager
def s3_unavailable_at_times(stack: Routed, draw: Random) -> Iterator[Toll]:
    """S3 answers 503 to three requests of ten."""
    with _spoiling(stack, unavailable(0.3, draw)) as toll:
        yield toll


@contextmanager
def s3_truncating(stack: Routed, draw: Random) -> Iterator[Toll]:
    """S3 ends every larger answer in the middle."""
    with _spoiling(stack, truncating(4096)) as toll:
        yield toll


@contextmanager
def s3_corrupting(stack: Routed, draw: Random) -> Iterator[Toll]:
    """S3 gives other bytes than were stored."""
    with _spoiling(stack, corrupting(4096)) as toll:
        yield toll


@contextmanager
def s3_slow(stack: Routed, draw: Random) -> Iterator[Toll]:
    """S3 takes and gives a few kilobytes a second."""
    with _spoiling(stack, slow(10_000)) as toll:
        yield toll


FAULTS: Final[tuple[Fault, ...]] = (
    s3_killed,
    s3_frozen,
    s3_unavailable_at_times,
    s3_truncating,
    s3_corrupting,
    s3_slow,
)
