"""The parts of a large body on its way to the store, a few megabytes each."""

import io
import os
from collections.abc import Iterator
from typing import BinaryIO, TypeAlias

from docmill.adapters.s3_reader import CHUNK_BYTES, Source


class FilePart(io.RawIOBase):
    """A range of an open file, which is read as it is sent; others of the file may be meanwhile."""

    def __init__(self, file: BinaryIO, start: int, end: int) -> None:
        self._file, self._start, self._end = file, start, end
        self._at = start

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at - self._start

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: self._start, os.SEEK_CUR: self._at, os.SEEK_END: self._end}[whence]
        self._at = base + offset
        return self.tell()

    def read(self, size: int = -1) -> bytes:
        left = max(0, self._end - self._at)
        found = os.pread(self._file.fileno(), left if size < 0 else min(size, left), self._at)
        self._at += len(found)
        return found


Part: TypeAlias = bytearray | FilePart


def stream_parts(body: Source, size: int) -> Iterator[bytearray]:
    """Yield what is read of a stream; only the last part is smaller, and none is empty."""
    while part := _read_part(body, size):
        yield part


def file_parts(file: BinaryIO, size: int) -> Iterator[FilePart]:
    """Yield the ranges of a file, nothing of which is held in memory."""
    end = os.fstat(file.fileno()).st_size
    for start in range(0, end, size):
        yield FilePart(file, start, min(start + size, end))


def pieces(part: Part) -> Iterator[bytes | bytearray]:
    """Yield a part's bytes; it can be read from its beginning afterwards."""
    if isinstance(part, bytearray):
        yield part
        return
    part.seek(0)
    while piece := part.read(CHUNK_BYTES):
        yield piece
    part.seek(0)


def _read_part(body: Source, size: int) -> bytearray:
    """Read until the part is full or the body ends; short reads are no end."""
    part = bytearray()
    while len(part) < size:
        chunk = body.read(min(CHUNK_BYTES, size - len(part)))
        if not chunk:
            break
        part += chunk
    return part
