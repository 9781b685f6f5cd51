"""Files fetched from the store, kept by this worker so that a document is fetched once."""

import threading
from collections import OrderedDict
from pathlib import Path
from typing import Final
from uuid import uuid4

from docmill.domain.errors import Transient
from docmill.ports import Blobs
from docmill.work.folder import Access

_STRIPES: Final = 16


class WrongBytes(Transient):
    """The store gave other bytes than were put."""

    code = "wrong_bytes"


class Larder:
    """Blobs by key in a directory of bounded size; the least recently used go first.

    Any number of threads may use it. Children never see the directory, only links of single files.
    """

    def __init__(self, folder: Path, blobs: Blobs, access: Access, *, size: int) -> None:
        self._folder = folder
        self._blobs = blobs
        self._access = access
        self._room = size
        self._kept: OrderedDict[str, tuple[Path, int]] = OrderedDict()
        self._lock = threading.Lock()
        self._fetching = [threading.Lock() for _ in range(_STRIPES)]
        folder.mkdir(mode=0o700)

    def give(self, key: str, sha256: bytes | None, to: Path) -> None:
        """Put the blob where a child may read it; raise BlobMissing, StoreDown or WrongBytes."""
        with self._fetching[hash(key) % _STRIPES]:
            if self._given(key, to):
                return
            path = self._folder / uuid4().hex
            size = self._fetch(key, sha256, path)
            to.hardlink_to(path)
            self._keep(key, path, size)

    def _given(self, key: str, to: Path) -> bool:
        with self._lock:
            if key not in self._kept:
                return False
            self._kept.move_to_end(key)
            to.hardlink_to(self._kept[key][0])
            return True

    def _fetch(self, key: str, sha256: bytes | None, path: Path) -> int:
        try:
            stored = self._blobs.fetch(key, path)
            _compare(key, stored.sha256, sha256)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        self._access.readable(path)
        return stored.size

    def _keep(self, key: str, path: Path, size: int) -> None:
        with self._lock:
            self._kept[key] = (path, size)
            self._room -= size
            while self._room < 0 and len(self._kept) > 0:
                _, (oldest, freed) = self._kept.popitem(last=False)
                oldest.unlink()
                self._room += freed


def _compare(key: str, got: bytes | None, wanted: bytes | None) -> None:
    if wanted is not None and got != wanted:
        raise WrongBytes(key)
