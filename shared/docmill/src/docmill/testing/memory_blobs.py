"""The port Blobs in memory, proven by the suite that proves S3."""

import hashlib
import io
import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from docmill.domain.errors import StoreDown
from docmill.ports import BlobMissing, OpenUpload, Stored


class MemoryBlobs:
    """Blobs in a dictionary.

    `down = True` makes every method raise StoreDown; what begins with `locked` cannot be deleted.
    """

    def __init__(self) -> None:
        self.down = False
        self.locked: str | None = None
        self._blobs: dict[str, tuple[bytes, datetime]] = {}
        self._lock = threading.Lock()

    def put(self, key: str, body: BinaryIO, *, media_type: str) -> Stored:
        self.ping()
        content = b"".join(iter(lambda: body.read(65536), b""))
        with self._lock:
            self._blobs[key] = (content, datetime.now(UTC))
        return self._stored(key)

    def put_file(self, key: str, path: Path, *, media_type: str) -> Stored:
        with path.open("rb") as body:
            return self.put(key, body, media_type=media_type)

    @contextmanager
    def open(self, key: str, *, start: int = 0, end: int | None = None) -> Iterator[BinaryIO]:
        self.ping()
        if key not in self._blobs:
            raise BlobMissing(key)
        content, _ = self._blobs[key]
        yield io.BytesIO(content[start : None if end is None else end + 1])

    def fetch(self, key: str, path: Path, check: Callable[[], None] = lambda: None) -> Stored:
        with self.open(key) as body:
            check()
            path.write_bytes(body.read())
        return self._stored(key)

    def head(self, key: str) -> Stored | None:
        self.ping()
        return self._stored(key) if key in self._blobs else None

    def delete(self, keys: Collection[str]) -> None:
        self.ping()
        with self._lock:
            for key in keys:
                if self.locked is not None and key.startswith(self.locked):
                    raise StoreDown(f"{key}: AccessDenied")  # as S3 says of a locked object
                self._blobs.pop(key, None)

    def list(self, prefix: str = "") -> Iterator[Stored]:
        self.ping()
        yield from (self._stored(key) for key in sorted(self._blobs) if key.startswith(prefix))

    def open_uploads(self, prefix: str = "") -> Iterator[OpenUpload]:
        self.ping()
        yield from ()  # a put here is all or nothing

    def abort(self, upload: OpenUpload) -> None:
        self.ping()

    def purge(self, prefix: str) -> int:
        keys = [each.key for each in self.list(prefix)]
        self.delete(keys)
        return len(keys)

    def ping(self) -> None:
        if self.down:
            raise StoreDown("switched off by the test")

    def probe(self) -> None:
        self.ping()

    def _stored(self, key: str) -> Stored:
        content, at = self._blobs[key]
        digest = hashlib.sha256(content).digest()
        return Stored(key=key, size=len(content), sha256=digest, modified_at=at)
