"""What every Blobs must do; a test class inherits it and gives the fixture `blobs`."""

import hashlib
import io
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random

import pytest

from docmill.ports import BlobMissing, Blobs

SMALL = b"a page of text"
LARGE = bytes(range(256)) * (80 * 2**10)  # 20 MiB: three parts


class Torn(Exception):
    """What the body raises in the middle."""


class TornBody(io.BytesIO):
    """A body that breaks off after `size` bytes, as a caller who hung up does."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self._left = size

    def read(self, size: int | None = -1, /) -> bytes:
        if self._left <= 0:
            raise Torn
        chunk = b"x" * min(self._left, 65536 if size is None or size < 0 else size)
        self._left -= len(chunk)
        return chunk


class TrickleBody(io.BytesIO):
    """A body that gives a little at each read, as sockets do."""

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(min(size or 0, 1000) if size and size > 0 else 1000)


class BlobsContract:
    """The suite."""

    @pytest.mark.parametrize("content", [b"", SMALL, LARGE], ids=["empty", "small", "large"])
    def test_what_was_put_is_read_back(self, blobs: Blobs, content: bytes) -> None:
        stored = blobs.put("t/1/original", io.BytesIO(content), media_type="application/pdf")
        assert (stored.size, stored.sha256) == (len(content), hashlib.sha256(content).digest())
        with blobs.open("t/1/original") as body:
            assert _all(body.read) == content

    def test_short_reads_are_no_end(self, blobs: Blobs) -> None:
        content = LARGE[: 9 * 2**20]
        assert blobs.put("t/1/original", TrickleBody(content), media_type="x/y").size == len(
            content
        )

    def test_the_last_complete_body_wins(self, blobs: Blobs) -> None:
        blobs.put("k", io.BytesIO(b"first"), media_type="text/plain")
        blobs.put("k", io.BytesIO(b"second"), media_type="text/plain")
        with blobs.open("k") as body:
            assert body.read(100) == b"second"

    @pytest.mark.parametrize("size", [1000, 9 * 2**20, 17 * 2**20])
    def test_a_body_that_breaks_off_leaves_nothing(self, blobs: Blobs, size: int) -> None:
        with pytest.raises(Torn):
            blobs.put("t/2/original", TornBody(size), media_type="x/y")
        assert blobs.head("t/2/original") is None
        assert list(blobs.open_uploads("t/2/")) == []

    @pytest.mark.parametrize("content", [b"", SMALL, LARGE[: 2**20]], ids=["no", "few", "many"])
    def test_a_file_is_stored_with_its_hash(
        self, blobs: Blobs, tmp_path: Path, content: bytes
    ) -> None:
        file = tmp_path / "page.json"
        file.write_bytes(content)
        assert blobs.put_file("k", file, media_type="application/json").size == len(content)
        head = blobs.head("k")
        assert head
        assert (head.size, head.sha256) == (len(content), hashlib.sha256(content).digest())

    @pytest.mark.parametrize("beyond", [0, 1, 12345])
    def test_a_file_of_several_parts_is_stored_whole(
        self, blobs: Blobs, tmp_path: Path, beyond: int
    ) -> None:
        content = Random(1).randbytes(16 * 2**20 + beyond)  # unlike LARGE, its parts differ
        file = tmp_path / "searchable.pdf"
        file.write_bytes(content)
        stored = blobs.put_file("k", file, media_type="application/pdf")
        assert (stored.size, stored.sha256) == (len(content), hashlib.sha256(content).digest())
        with blobs.open("k") as body:
            assert _all(body.read) == content

    @pytest.mark.parametrize(("start", "end"), [(0, 0), (2, 5), (5, None), (0, None), (3, 999)])
    def test_a_range_is_inclusive_as_in_http(
        self, blobs: Blobs, start: int, end: int | None
    ) -> None:
        blobs.put("k", io.BytesIO(b"0123456789"), media_type="text/plain")
        with blobs.open("k", start=start, end=end) as body:
            assert _all(body.read) == b"0123456789"[start : None if end is None else end + 1]

    def test_a_blob_is_fetched_into_a_file(self, blobs: Blobs, tmp_path: Path) -> None:
        blobs.put("k", io.BytesIO(LARGE), media_type="x/y")
        stored = blobs.fetch("k", tmp_path / "got")
        assert stored.sha256 == hashlib.sha256(LARGE).digest()
        assert (tmp_path / "got").read_bytes() == LARGE

    def test_a_missing_blob_is_told_by_name(self, blobs: Blobs, tmp_path: Path) -> None:
        assert blobs.head("nothing") is None
        with pytest.raises(BlobMissing), blobs.open("nothing"):
            pass
        with pytest.raises(BlobMissing):
            blobs.fetch("nothing", tmp_path / "got")

    def test_a_fetch_ends_when_its_check_raises(self, blobs: Blobs, tmp_path: Path) -> None:
        blobs.put("k", io.BytesIO(bytes(1000)), media_type="text/plain")

        def check() -> None:
            raise TimeoutError

        with pytest.raises(TimeoutError):
            blobs.fetch("k", tmp_path / "got", check)

    def test_deleting_twice_is_safe(self, blobs: Blobs) -> None:
        blobs.put("k", io.BytesIO(SMALL), media_type="x/y")
        blobs.put("other", io.BytesIO(SMALL), media_type="x/y")
        blobs.delete(["k", "never-there"])
        blobs.delete(["k"])
        assert [each.key for each in blobs.list()] == ["other"]

    def test_the_listing_is_by_prefix_and_in_order(self, blobs: Blobs) -> None:
        for key in ("t/2/b", "t/1/b", "t/1/a", "u/1/a"):
            blobs.put(key, io.BytesIO(SMALL), media_type="x/y")
        assert [each.key for each in blobs.list("t/1/")] == ["t/1/a", "t/1/b"]
        assert [each.size for each in blobs.list("t/")] == [len(SMALL)] * 3

    def test_a_purge_takes_the_prefix_and_nothing_else(self, blobs: Blobs) -> None:
        for key in ("t/1/original", "t/1/1/assemble/0/ff", "t/10/original"):
            blobs.put(key, io.BytesIO(SMALL), media_type="x/y")
        assert blobs.purge("t/1/") == 2
        assert blobs.purge("t/1/") == 0
        assert [each.key for each in blobs.list()] == ["t/10/original"]

    def test_many_may_put_at_once(self, blobs: Blobs) -> None:
        def put(number: int) -> int:
            body = io.BytesIO(LARGE[: number * 2**20])
            return blobs.put(f"k{number}", body, media_type="x/y").size

        with ThreadPoolExecutor(6) as threads:
            sizes = list(threads.map(put, range(1, 13)))
        assert sizes == [number * 2**20 for number in range(1, 13)]
        assert len(list(blobs.list())) == 12

    def test_an_answer_to_a_ping_is_silence(self, blobs: Blobs) -> None:
        blobs.ping()

    def test_a_probe_leaves_nothing_behind(self, blobs: Blobs) -> None:
        blobs.probe()
        assert list(blobs.list(".probe/")) == []


def _all(read: Callable[[int], bytes]) -> bytes:
    return b"".join(iter(lambda: read(65536), b""))
