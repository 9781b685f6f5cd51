"""The parts of a large body on its way to the store."""

import hashlib
import os
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, cast

import pytest

from docmill.adapters.s3 import S3Blobs, connect
from docmill.adapters.s3_part import FilePart, file_parts, pieces
from docmill.domain.errors import StoreDown
from docmill.ops.settings import StoreSettings
from docmill.ports import Stored


def test_parts_of_a_file_are_read_beside_each_other(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")
    with path.open("rb") as file:
        parts = list(file_parts(file, 4))
        assert [part.read(3) for part in parts] == [b"012", b"456", b"89"]
        assert [part.read() for part in parts] == [b"3", b"7", b""]
        assert [b"".join(pieces(part)) for part in parts] == [b"0123", b"4567", b"89"]
        assert [part.tell() for part in parts] == [0, 0, 0]


def test_a_part_tells_its_own_length(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")
    with path.open("rb") as file:
        part = FilePart(file, 2, 9)
        assert part.seek(0, os.SEEK_END) == 7
        assert part.seek(-3, os.SEEK_CUR) == 4
        assert part.read() == b"678"


class Seen(Exception):
    """What would have been sent was seen."""


def test_a_part_of_a_file_is_sent_without_waiting_to_be_asked_for(tmp_path: Path) -> None:
    settings = StoreSettings(
        s3_endpoint="http://127.0.0.1:9", s3_access_key="key", s3_secret_key="secret"
    )
    sent: dict[str, Mapping[str, str]] = {}

    def see(request: Any, **_: object) -> None:
        sent["headers"] = request.headers
        raise Seen

    client = connect(settings)
    client.meta.events.register("before-send.s3.UploadPart", see)
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")
    with path.open("rb") as file:
        part = cast("BinaryIO", FilePart(file, 2, 9))
        with pytest.raises(Seen):
            client.upload_part(Bucket="b", Key="k", UploadId="u", PartNumber=1, Body=part)
    assert sent["headers"]["Content-Length"] == "7"
    assert "Expect" not in sent["headers"]


class Scripted:
    """Takes the parts of one upload, as a test says, and remembers what was asked for."""

    def __init__(self, take: Callable[[int], None]) -> None:
        self._take = take
        self.ended: list[int] = []
        self.completed: list[int] = []
        self.aborted_after: list[int] | None = None

    def create_multipart_upload(self, **_: object) -> Mapping[str, str]:
        return {"UploadId": "u"}

    def upload_part(self, *, PartNumber: int, **_: object) -> Mapping[str, str]:  # noqa: N803
        try:
            self._take(PartNumber)
        finally:
            self.ended.append(PartNumber)
        return {"ETag": f"e{PartNumber}"}

    def complete_multipart_upload(
        self,
        *,
        MultipartUpload: Mapping[str, Any],  # noqa: N803
        **_: object,
    ) -> None:
        self.completed = [part["PartNumber"] for part in MultipartUpload["Parts"]]
        assert [part["ETag"] for part in MultipartUpload["Parts"]] == [
            f"e{number}" for number in self.completed
        ]

    def head_object(self, **_: object) -> Mapping[str, Any]:
        return {"ContentLength": len(BODY), "Metadata": {}, "LastModified": datetime.now(UTC)}

    def abort_multipart_upload(self, **_: object) -> None:
        self.aborted_after = list(self.ended)


BODY = b"0123456789"


def put(client: Scripted) -> Stored:
    blobs = S3Blobs(cast("Any", client), "bucket", part_bytes=4)
    return blobs.put("key", BytesIO(BODY), media_type="text/plain")


def test_two_parts_are_sent_at_once_and_put_together_in_order() -> None:
    first_waits = threading.Event()

    def take(number: int) -> None:
        if number == 1:
            assert first_waits.wait(10)
        elif number == 2:
            first_waits.set()

    client = Scripted(take)
    stored = put(client)
    assert client.completed == [1, 2, 3]
    assert (stored.size, stored.sha256) == (len(BODY), hashlib.sha256(BODY).digest())


def test_an_upload_is_aborted_only_once_no_part_is_on_its_way() -> None:
    second_failed = threading.Event()

    def take(number: int) -> None:
        if number == 1:
            assert second_failed.wait(10)
        elif number == 2:
            second_failed.set()
            raise StoreDown("refused")

    client = Scripted(take)
    with pytest.raises(StoreDown):
        put(client)
    assert client.completed == []
    assert client.aborted_after is not None
    assert sorted(client.aborted_after) == sorted(client.ended)
