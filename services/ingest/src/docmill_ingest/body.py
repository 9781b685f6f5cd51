"""A request's body as a stream: bounded, complete or refused, hashed by whoever stores it."""

from typing import Protocol

from gunicorn.http.errors import ParseException
from werkzeug.exceptions import ClientDisconnected

from docmill.domain.refusal import FileTooLarge, IncompleteUpload


class Readable(Protocol):
    """What bytes are read from."""

    def read(self, size: int, /) -> bytes: ...


class RequestBody:
    """The bytes a caller sends; raise IncompleteUpload when they stop before the announced end.

    gunicorn (27.0) ends a body with a length silently when the caller hangs up, and raises for a
    chunked one; both are told apart from a real end here.
    """

    def __init__(self, stream: Readable, length: int | None) -> None:
        self._stream = stream
        self._length = length
        self._taken = 0
        self.unread = True

    def read(self, size: int, /) -> bytes:
        try:
            chunk = self._stream.read(size)
        except (OSError, ParseException, ClientDisconnected) as error:
            raise IncompleteUpload(f"stopped after {self._taken} bytes") from error
        self._taken += len(chunk)
        if not chunk and self._length is not None and self._taken < self._length:
            raise IncompleteUpload(f"{self._taken} of {self._length} bytes arrived")
        self.unread = bool(chunk) and self._taken != self._length
        return chunk


class FileBody:
    """The bytes of the file itself; raise FileTooLarge as soon as they are too many."""

    def __init__(self, stream: Readable, limit: int) -> None:
        self._stream = stream
        self._limit = limit
        self.size = 0

    def read(self, size: int, /) -> bytes:
        chunk = self._stream.read(size)
        self.size += len(chunk)
        if self.size > self._limit:
            raise too_large(self._limit)
        return chunk


def too_large(limit: int) -> FileTooLarge:
    return FileTooLarge(f"at most {limit} bytes", max_file_bytes=limit)
