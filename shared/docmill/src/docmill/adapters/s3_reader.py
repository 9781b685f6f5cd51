"""Reading what an S3 store answers."""

import io
from typing import BinaryIO, Final, Protocol, cast

from docmill.adapters.s3_error import translated

CHUNK_BYTES: Final = 256 * 2**10


class Source(Protocol):
    """What `put` reads from."""

    def read(self, size: int, /) -> bytes: ...


class Reader(io.RawIOBase):
    """A response body whose troubles are ours."""

    def __init__(self, key: str, body: Source) -> None:
        super().__init__()
        self._key = key
        self._body = body

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1, /) -> bytes:
        with translated(self._key):
            if size is None or size < 0:
                return b"".join(iter(lambda: self._body.read(CHUNK_BYTES), b""))
            return self._body.read(size)

    def close(self) -> None:
        if not self.closed:
            cast("BinaryIO", self._body).close()
        super().close()
