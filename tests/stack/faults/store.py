"""S3 that dies, freezes, refuses, slows down, or gives other bytes than were stored."""

from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from typing import Final

from tests.stack.faults.fault import Fault
from tests.stack.proxy import corrupting, slow, truncating, unavailable
from tests.stack.routed import Routed


@contextmanager
def s3_killed(stack: Routed, draw: Random) -> Iterator[None]:
    """SIGKILL of the S3 server, which stays away for a while."""
    stack.s3.kill()
    yield
    stack.s3.start()


@contextmanager
def s3_frozen(stack: Routed, draw: Random) -> Iterator[None]:
    """The S3 server accepts connections and answers nothing."""
    stack.s3.pause()
    yield
    stack.s3.resume()


@contextmanager
def s3_unavailable_at_times(stack: Routed, draw: Random) -> Iterator[None]:
    """S3 answers 503 to three requests of ten."""
    with stack.routes["seaweedfs"].spoiling(unavailable(0.3, draw)):
        yield


@contextmanager
def s3_truncating(stack: Routed, draw: Random) -> Iterator[None]:
    """S3 ends every larger answer in the middle."""
    with stack.routes["seaweedfs"].spoiling(truncating(4096)):
        yield


@contextmanager
def s3_corrupting(stack: Routed, draw: Random) -> Iterator[None]:
    """S3 gives other bytes than were stored."""
    with stack.routes["seaweedfs"].spoiling(corrupting(4096)):
        yield


@contextmanager
def s3_slow(stack: Routed, draw: Random) -> Iterator[None]:
    """S3 takes and gives a few kilobytes a second."""
    with stack.routes["seaweedfs"].spoiling(slow(10_000)):
        yield


FAULTS: Final[tuple[Fault, ...]] = (
    s3_killed,
    s3_frozen,
    s3_unavailable_at_times,
    s3_truncating,
    s3_corrupting,
    s3_slow,
)
