"""The JPEG strips of a TIFF joined into one JPEG; no coefficient changes."""

import re
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Final

_START, _END = b"\xff\xd8", b"\xff\xd9"
NO_TABLES: Final = _START + _END
_BASELINE: Final = frozenset({0xFFC0, 0xFFC1})
_FRAMES: Final = _BASELINE | {0xFFC2}
_SCAN: Final = 0xFFDA
_INTERVAL: Final = 0xFFDD
_APPLICATION: Final = range(0xFFE0, 0xFFF0)
_MOST_UNITS: Final = 0xFFFF
_BLOCK: Final = 8  # pixels on a side
_SAMPLINGS: Final = slice(7, None, 3)  # of the components, in a frame's header
_MARKER: Final = re.compile(rb"\xff[^\0]")

Segment = tuple[int, bytes]


def joined(
    strips: Sequence[bytes], size: tuple[int, int], colours: bytes, tables: bytes = NO_TABLES
) -> bytes:
    """Return a JPEG of this size that says of its colours what `colours`, a segment, says.

    `tables` are what the strips have in common. Each strip becomes what lies between two restart
    markers, where a decoder starts anew as at the head of a file. Raise ValueError or struct.error
    where that cannot be: several strips must be baseline and without restart markers of their own.
    """
    parts = [_Strip.of(strip) for strip in strips]
    _check(parts, size)
    first, *others = parts
    restarts = _restarts(parts) if others else b""
    head = colours + tables[len(_START) : -len(_END)] + restarts + first.header(size[1])
    scans = (bytes((0xFF, 0xD0 + at % 8)) + part.scan for at, part in enumerate(others))
    return b"".join((_START, head, first.scan, *scans, _END))


@dataclass(frozen=True, slots=True)
class _Strip:
    head: tuple[Segment, ...]
    scan: bytes

    @classmethod
    def of(cls, strip: bytes) -> "_Strip":
        """Take it apart; what applications add is left out, for it may speak of colours."""
        head = tuple(_segments(strip))
        start = len(_START) + sum(4 + len(body) for _, body in head)
        kept = tuple(each for each in head if each[0] not in _APPLICATION)
        return cls(kept, strip[start : strip.rindex(_END)])

    @property
    def frame(self) -> Segment:
        (frame,) = (each for each in self.head if each[0] in _FRAMES)
        return frame

    @property
    def size(self) -> tuple[int, int]:
        height, width = struct.unpack_from(">HH", self.frame[1], 1)
        return width, height

    @property
    def unit(self) -> tuple[int, int]:
        """The pixels that are coded together."""
        samplings = self.frame[1][_SAMPLINGS]
        if len(samplings) == 1:
            return _BLOCK, _BLOCK
        across, down = (each >> 4 for each in samplings), (each & 15 for each in samplings)
        return max(across) * _BLOCK, max(down) * _BLOCK

    @property
    def plain(self) -> bool:
        """Whether it is one scan of a baseline JPEG without restart markers."""
        markers = {marker for marker, _ in self.head}
        return (
            self.frame[0] in _BASELINE
            and _INTERVAL not in markers
            and not _MARKER.search(self.scan)
        )

    def header(self, height: int) -> bytes:
        """Return the segments, in a picture of this height."""
        return b"".join(
            struct.pack(">HH", marker, len(body) + 2)
            + (body[:1] + struct.pack(">H", height) + body[3:] if marker in _FRAMES else body)
            for marker, body in self.head
        )


def _segments(strip: bytes) -> Iterator[Segment]:
    at, marker = len(_START), 0
    while marker != _SCAN:
        marker, size = struct.unpack_from(">HH", strip, at)
        yield marker, strip[at + 4 : at + 2 + size]
        at += 2 + size


def _check(parts: Sequence[_Strip], size: tuple[int, int]) -> None:
    heights = [part.size[1] for part in parts]
    if any(part.size[0] != size[0] for part in parts) or sum(heights) != size[1]:
        raise ValueError("the strips are no picture of this size")
    if len(set(heights[:-1])) > 1 or heights[-1] > heights[0]:
        raise ValueError("only the last strip may have another height")


def _restarts(parts: Sequence[_Strip]) -> bytes:
    """Return the segment that tells how many units lie between two restart markers."""
    first = parts[0]
    units = ceil(first.size[0] / first.unit[0]) * ceil(first.size[1] / first.unit[1])
    whole = first.size[1] % first.unit[1] == 0 and units <= _MOST_UNITS
    alike = all(part.header(0) == first.header(0) for part in parts)
    if not (whole and alike and all(part.plain for part in parts)):
        raise ValueError("the strips cannot be one picture")
    return struct.pack(">HHH", _INTERVAL, 4, units)
