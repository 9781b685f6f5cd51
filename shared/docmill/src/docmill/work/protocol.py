"""The talk between a worker and its child: JSON frames over two pipes, each after its length."""

import json
import os
import select
import struct
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from docmill.domain.document import ArtifactKind, Options
from docmill.domain.task import Stage
from docmill.work.stage import Job, Made, StageResult

MOST: Final = 16 * 2**20  # bytes of a frame; a plan of 100 pages is some 20 kB
_LENGTH: Final = struct.Struct("!I")
Frame = Mapping[str, Any]


class BadFrame(Exception):
    """The other side sent what is no frame: it is broken, or taken over."""


class Closed(Exception):
    """The other side is gone."""


class Channel:
    """One side's two pipe ends. Not for more than one thread."""

    def __init__(self, incoming: int, outgoing: int) -> None:
        os.set_blocking(incoming, False)
        os.set_blocking(outgoing, False)
        self._incoming = incoming
        self._outgoing = outgoing
        self._received = bytearray()

    def send(self, frame: Frame, *, within: float | None = None) -> None:
        """Send a frame; raise Closed, or TimeoutError when the other side does not read it."""
        data = json.dumps(frame).encode()
        rest = memoryview(_LENGTH.pack(len(data)) + data)
        until = None if within is None else time.monotonic() + within
        while rest:
            if not _ready(self._outgoing, select.POLLOUT, _left(until)):
                raise TimeoutError
            rest = rest[self._write(rest) :]

    def receive(self, *, within: float | None = None) -> Frame | None:
        """Return the next frame, or None when none is complete within so many seconds.

        Raise Closed or BadFrame.
        """
        until = None if within is None else time.monotonic() + within
        while (frame := self._take()) is None:
            if not _ready(self._incoming, select.POLLIN, _left(until)):
                return None
            self._read()
        return frame

    def _write(self, data: memoryview) -> int:
        try:
            return os.write(self._outgoing, data)
        except BlockingIOError:
            return 0
        except BrokenPipeError as error:
            raise Closed from error

    def _read(self) -> None:
        try:
            data = os.read(self._incoming, 2**16)
        except BlockingIOError:
            return
        if not data:
            raise Closed
        self._received += data

    def _take(self) -> Frame | None:
        if len(self._received) < _LENGTH.size:
            return None
        (length,) = _LENGTH.unpack_from(self._received)
        if length > MOST:
            raise BadFrame(f"a frame of {length} bytes")
        end = _LENGTH.size + length
        if len(self._received) < end:
            return None
        data = bytes(self._received[_LENGTH.size : end])
        del self._received[:end]
        return _decoded(data)


def _decoded(data: bytes) -> Frame:
    try:
        frame = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise BadFrame("no JSON") from error
    if not isinstance(frame, dict):
        raise BadFrame("no object")
    return frame


def _left(until: float | None) -> float | None:
    return None if until is None else max(0.0, until - time.monotonic())


def _ready(descriptor: int, event: int, seconds: float | None) -> bool:
    poll = select.poll()
    poll.register(descriptor, event)
    return bool(poll.poll(None if seconds is None else seconds * 1000))


def job_frame(job: Job) -> dict[str, Any]:
    """Write a job as a frame."""
    return {
        "stage": job.stage.value,
        "page": job.page,
        "options": job.options.as_json(),
        "original": str(job.original),
        "name": job.name,
        "pages": {str(page): str(path) for page, path in job.pages.items()},
        "plan": job.plan,
        "scratch": str(job.scratch),
        "limits": dict(job.limits),
    }


def job_of(frame: Frame) -> Job:
    """Read what `job_frame` wrote."""
    return Job(
        stage=Stage(frame["stage"]),
        page=frame["page"],
        options=Options.from_json(frame["options"]),
        original=Path(frame["original"]),
        name=frame["name"],
        pages={int(page): Path(path) for page, path in frame["pages"].items()},
        plan=frame["plan"],
        scratch=Path(frame["scratch"]),
        limits=frame["limits"],
    )


def result_frame(result: StageResult) -> dict[str, Any]:
    """Write what a stage returned as a frame; files by their name in the scratch directory."""
    made = [[each.kind.value, each.page, each.path.name, each.media_type] for each in result.made]
    return {"made": made, "engine": result.engine, "facts": dict(result.facts)}


def result_of(frame: Frame, scratch: Path) -> StageResult:
    """Read what `result_frame` wrote; raise BadFrame, for the child is not to be trusted."""
    try:
        made = tuple(_made(entry, scratch) for entry in frame["made"])
        engine, facts = frame["engine"], frame["facts"]
    except (KeyError, TypeError, ValueError) as error:
        raise BadFrame("no result") from error
    if not isinstance(engine, str) or not isinstance(facts, dict):
        raise BadFrame("no result")
    return StageResult(made=made, engine=engine, facts=facts)


def _made(entry: Any, scratch: Path) -> Made:
    kind, page, name, media_type = entry
    if not (isinstance(page, int) and isinstance(name, str) and isinstance(media_type, str)):
        raise TypeError("no file")
    if "/" in name or name in {"", ".", ".."}:
        raise ValueError("a file outside the scratch directory")
    return Made(kind=ArtifactKind(kind), page=page, path=scratch / name, media_type=media_type)
