"""The parts of a large body on its way to the store."""

import os
from pathlib import Path

from docmill.adapters.s3_part import FilePart, file_parts, pieces


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
