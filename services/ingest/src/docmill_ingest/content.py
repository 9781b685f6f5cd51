"""Blobs as answers: streamed, in ranges, named safely, with an ETag that is their SHA-256."""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import BinaryIO, Final
from urllib.parse import quote

from flask import Request, Response

from docmill.domain.refusal import DocumentExpired, RangeNotSatisfiable
from docmill.ports import BlobMissing, Blobs
from docmill_ingest.names import clean_name

CHUNK_BYTES: Final = 256 * 2**10
_OK: Final = 200
_PARTIAL: Final = 206
_NOT_MODIFIED: Final = 304


class Content:
    """Streams blobs to callers."""

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs

    def answer(
        self,
        asked: Request,
        key: str,
        *,
        size: int,
        sha256: bytes,
        media_type: str,
        name: str | None = None,
    ) -> Response:
        """Answer with the blob or the range asked for; as a download where a name is given."""
        response = Response(status=_OK, content_type=media_type)
        response.set_etag(sha256.hex())
        response.headers["Accept-Ranges"] = "bytes"
        if name is not None:
            response.headers["Content-Disposition"] = disposition(name)
        if asked.if_none_match.contains(sha256.hex()):
            response.status_code = _NOT_MODIFIED
            return response
        start, end = _wanted(asked, size, sha256)
        if (start, end) != (0, size - 1):
            response.status_code = _PARTIAL
            response.headers["Content-Range"] = f"bytes {start}-{end}/{size}"
        response.headers["Content-Length"] = str(end - start + 1)
        if size and asked.method != "HEAD":
            self._stream(response, key, start, end)
        return response

    def _stream(self, response: Response, key: str, start: int, end: int) -> None:
        """Open before the headers leave, so that a store that is down is still a 503."""
        with ExitStack() as stack:
            try:
                body = stack.enter_context(self._blobs.open(key, start=start, end=end))
            except BlobMissing as error:  # it expired or was erased since its row was read
                raise DocumentExpired from error
            response.response = _chunks(body)
            response.call_on_close(stack.pop_all().close)


def disposition(name: str) -> str:
    """A download's name in both forms of RFC 6266; nothing in it can end the header."""
    shown = clean_name(name)
    plain = "".join(each if " " <= each <= "~" and each not in '"\\%' else "_" for each in shown)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(shown, safe='')}"


def _chunks(body: BinaryIO) -> Iterator[bytes]:
    while chunk := body.read(CHUNK_BYTES):
        yield chunk


def _wanted(asked: Request, size: int, sha256: bytes) -> tuple[int, int]:
    """The bytes asked for; the whole where no single range is, or If-Range does not match."""
    whole = (0, size - 1)
    wanted = asked.range
    if wanted is None or wanted.units != "bytes" or len(wanted.ranges) != 1:
        return whole
    # as text: werkzeug (3.1) would read a date, nothing here has one, and fails on odd ones
    if asked.headers.get("If-Range", f'"{sha256.hex()}"') != f'"{sha256.hex()}"':
        return whole
    found = wanted.range_for_length(size)
    if found is None:
        raise RangeNotSatisfiable(f"the content has {size} bytes", size=size)
    start, stop = found
    return start, stop - 1
