"""The parts of a large body on its way to the store."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, cast

import pytest

from docmill.adapters.s3 import connect
from docmill.adapters.s3_part import FilePart, file_parts, pieces
from docmill.ops.settings import StoreSettings


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
