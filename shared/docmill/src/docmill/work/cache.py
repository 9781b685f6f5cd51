"""Blobs that this worker fetched or stored, kept on its disk so that none is fetched twice."""

import shutil
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final
from uuid import uuid4

from docmill.domain.errors import StoreDown
from docmill.ports import Blobs, go_on
from docmill.work.folder import Access

_STRIPES: Final = 16
_LOOK: Final = 0.2  # seconds between looks whether a wait is still worth it


class WrongBytes(StoreDown):
    """The store gave other bytes than were put: of one key or of all, which its probe tells."""

    code = "wrong_bytes"


@dataclass(slots=True)
class Kept:
    """A file and when it was last asked for."""

    path: Path
    size: int
    used: float  # on the monotonic clock


class BlobCache:
    """Blobs by key in a directory of bounded size; the least recently used go first.

    Any number of threads may use it. Children never see the directory. They get links of single
    files, which are not theirs to write; where a child is our own user, copies.
    """

    def __init__(
        self, folder: Path, blobs: Blobs, access: Access, *, size: int, age: float = 300
    ) -> None:
        self._folder = folder
        self._blobs = blobs
        self._access = access
        self._room = size
        self._age = age
        self._kept: OrderedDict[str, Kept] = OrderedDict()  # the longest unused first
        self._lock = threading.Lock()
        self._fetching = [threading.Lock() for _ in range(_STRIPES)]
        folder.mkdir(mode=0o700)

    def give(
        self, key: str, sha256: bytes | None, to: Path, check: Callable[[], None] = go_on
    ) -> None:
        """Put the blob where a child may read it; raise BlobMissing, StoreDown or WrongBytes.

        `check` is called often and raises to give up.
        """
        with self._turn(key, check):
            if self._given(key, to):
                return
            path = self._folder / uuid4().hex
            size = self._fetch(key, sha256, path, check)
            self._hand_over(path, to)
            self._keep(key, path, size)

    def add(self, key: str, path: Path) -> None:
        """Take a file of ours over that is stored under the key: it need not be fetched.

        Twice is safe.
        """
        size = path.stat().st_size
        kept = path.rename(self._folder / uuid4().hex)
        self._access.readable(kept)
        self._keep(key, kept, size)

    def forget_old(self) -> None:
        """Delete what nobody has used for `age` seconds: it may have been erased."""
        with self._lock:
            while self._kept and time.monotonic() - self._first.used > self._age:
                self._drop()

    @property
    def _first(self) -> "Kept":
        return next(iter(self._kept.values()))

    @contextmanager
    def _turn(self, key: str, check: Callable[[], None]) -> Iterator[None]:
        """Wait while another thread may be fetching the same."""
        lock = self._fetching[hash(key) % _STRIPES]
        while not lock.acquire(timeout=_LOOK):
            check()
        try:
            yield
        finally:
            lock.release()

    def _given(self, key: str, to: Path) -> bool:
        with self._lock:
            kept = self._kept.get(key)
            if kept is None:
                return False
            self._kept.move_to_end(key)
            kept.used = time.monotonic()
            if self._access.uid is not None:
                to.hardlink_to(kept.path)
                return True
            source = kept.path.open("rb")
        # Out of the lock: the thread that renews leases takes it too, and a copy takes its time.
        _copy(source, to)
        return True

    def _hand_over(self, path: Path, to: Path) -> None:
        if self._access.uid is None:  # a child of our own user could write to the very file
            _copy(path.open("rb"), to)
        else:
            to.hardlink_to(path)

    def _fetch(self, key: str, sha256: bytes | None, path: Path, check: Callable[[], None]) -> int:
        try:
            stored = self._blobs.fetch(key, path, check)
            _compare(key, stored.sha256, sha256)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        self._access.readable(path)
        return stored.size

    def _keep(self, key: str, path: Path, size: int) -> None:
        with self._lock:
            if key in self._kept:
                path.unlink()
                return
            self._kept[key] = Kept(path, size, time.monotonic())
            self._room -= size
            while self._room < 0 and self._kept:
                self._drop()

    def _drop(self) -> None:
        _, oldest = self._kept.popitem(last=False)
        oldest.path.unlink()
        self._room += oldest.size


def _copy(source: BinaryIO, to: Path) -> None:
    with source, to.open("xb") as target:
        shutil.copyfileobj(source, target)


def _compare(key: str, got: bytes | None, wanted: bytes | None) -> None:
    """Raise WrongBytes when the hash of what came is not what was stored."""
    if wanted is not None and got != wanted:
        raise WrongBytes(key)
