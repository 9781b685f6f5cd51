import json
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from docmill.domain.document import ArtifactKind, Options, Output
from docmill.domain.task import Stage
from docmill.work.protocol import (
    MOST,
    BadFrame,
    Channel,
    Closed,
    job_frame,
    job_of,
    result_frame,
    result_of,
)
from docmill.work.stage import Job, Made, StageResult

SCRATCH = Path("/scratch/1")
JOB = Job(
    stage=Stage.ASSEMBLE,
    page=0,
    options=Options(languages=("eng", "fra"), pages=(1, 2), outputs=frozenset({Output.PDF})),
    original=Path("/in/original"),
    name="a b.pdf",
    pages={1: Path("/in/page-1"), 2: Path("/in/page-2")},
    plan={"pages": []},
    scratch=SCRATCH,
    limits={"max_pages": 3},
)


class Ends:
    """A channel, and the raw ends of the other side."""

    def __init__(self) -> None:
        incoming, self.write = os.pipe()
        self.read, outgoing = os.pipe()
        self.channel = Channel(incoming, outgoing)
        self.open = {incoming, outgoing, self.read, self.write}

    def hang_up(self, *ends: int) -> None:
        for end in ends:
            os.close(end)
            self.open.discard(end)


@pytest.fixture
def ends() -> Iterator[Ends]:
    made = Ends()
    yield made
    made.hang_up(*made.open)


def raw(data: bytes) -> bytes:
    return struct.pack("!I", len(data)) + data


def test_frames_come_one_by_one_however_they_are_cut(ends: Ends) -> None:
    data = raw(b'{"a": 1}') + raw(b'{"b": 2}')
    for at in range(0, len(data), 5):
        os.write(ends.write, data[at : at + 5])
    assert ends.channel.receive(within=1) == {"a": 1}
    assert ends.channel.receive(within=1) == {"b": 2}
    assert ends.channel.receive(within=0) is None


def test_an_incomplete_frame_is_none_yet(ends: Ends) -> None:
    os.write(ends.write, raw(b'{"a": 1}')[:-1])
    assert ends.channel.receive(within=0.01) is None
    os.write(ends.write, b"}")
    assert ends.channel.receive(within=1) == {"a": 1}


def test_a_hung_up_line_is_told(ends: Ends) -> None:
    ends.hang_up(ends.write, ends.read)
    with pytest.raises(Closed):
        ends.channel.receive(within=1)
    with pytest.raises(Closed):
        ends.channel.send({"a": 1})


def test_who_does_not_listen_is_not_waited_for(ends: Ends) -> None:
    with pytest.raises(TimeoutError):
        ends.channel.send({"a": "x" * 2**20}, within=0.05)


@pytest.mark.parametrize(
    "data",
    [
        raw(b"no json"),
        raw(b"[1]"),
        raw(b"\xff\xfe"),
        raw(b"[" * 100_000),
        struct.pack("!I", MOST + 1) + b"x",
    ],
    ids=["no json", "no object", "no text", "too deep", "too long"],
)
def test_what_is_no_frame_is_refused(ends: Ends, data: bytes) -> None:
    os.set_blocking(ends.write, False)
    for at in range(0, len(data), 2**15):
        os.write(ends.write, data[at : at + 2**15])
        if at + 2**15 < len(data):
            assert ends.channel.receive(within=0.01) is None
    with pytest.raises(BadFrame):
        ends.channel.receive(within=1)


def test_a_job_is_read_as_it_was_written() -> None:
    assert job_of(json.loads(json.dumps(job_frame(JOB)))) == JOB


def test_an_outcome_is_read_as_it_was_written() -> None:
    made = Made(kind=ArtifactKind.PAGE, page=1, path=SCRATCH / "x", media_type="text/plain")
    result = StageResult(made=(made,), engine="e", facts={"words": 3})
    assert result_of(json.loads(json.dumps(result_frame(result))), SCRATCH) == result


@pytest.mark.parametrize(
    "change",
    [
        {"made": [["page", 1, "../../etc/passwd", "text/plain"]]},
        {"made": [["page", 1, "..", "text/plain"]]},
        {"made": [["page", 1, "", "text/plain"]]},
        {"made": [["page", "1", "x", "text/plain"]]},
        {"made": [["no such kind", 1, "x", "text/plain"]]},
        {"made": [["page", 1, "x"]]},
        {"made": 7},
        {"engine": 7},
        {"facts": []},
    ],
)
def test_a_childs_outcome_is_not_believed(change: dict[str, Any]) -> None:
    good: dict[str, Any] = {"made": [], "engine": "e", "facts": {}}
    assert result_of(good, SCRATCH).engine == "e"
    with pytest.raises(BadFrame):
        result_of(good | change, SCRATCH)
    with pytest.raises(BadFrame):
        result_of({}, SCRATCH)
