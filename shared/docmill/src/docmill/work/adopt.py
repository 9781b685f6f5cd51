"""Takes over the files a child made; a child is never trusted with what they are."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

from docmill.work.failure import ChildCrashed
from docmill.work.stage import Made

_CHUNK: Final = 2**20
# A link would have us read a file for the child; a pipe would have us wait for ever.
_FLAGS: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Adopted:
    """A copy that the child can no longer change."""

    made: Made
    path: Path
    sha256: bytes
    size: int


def adopt(made: Made, into: Path, *, most: int) -> Adopted:
    """Copy a plain file of at most so many bytes to `into`, hashing it on the way."""
    with _opened(made.path) as source, into.open("xb") as target:
        digest, size = sha256(), 0
        if os.fstat(source).st_size > most:
            raise ChildCrashed("handed in a file that is too large")
        while size <= most and (data := os.read(source, _CHUNK)):
            digest.update(data)
            target.write(data)
            size += len(data)
    return Adopted(made, into, digest.digest(), size)


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    """Open it without going through a link anywhere below what is ours."""
    try:
        folder = os.open(path.parent, os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            source = os.open(path.name, _FLAGS, dir_fd=folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise ChildCrashed("handed in a file that is none") from error
    try:
        status = os.fstat(source)
        if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1:
            raise ChildCrashed("handed in a file that is none")
        yield source
    finally:
        os.close(source)
