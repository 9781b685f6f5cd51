"""multipart/form-data as a stream: options before or after the file, nothing spooled."""

from collections.abc import Iterator
from typing import Final, TypeAlias, cast

from multipart import MultipartError, MultipartSegment, PushMultipartParser, parse_options_header

from docmill.domain.refusal import BadForm
from docmill_ingest.body import Readable

MAX_FIELD_BYTES: Final = 64 * 2**10
MAX_FIELDS: Final = 32
OVERHEAD_BYTES: Final = 2**20  # what boundaries, headers and fields may add to the file
CHUNK_BYTES: Final = 64 * 2**10
FILE: Final = "file"

Event: TypeAlias = MultipartSegment | bytes | bytearray | None


class Form:
    """One form with one file.

    `open_file` reads up to the file and returns it; once its bytes are read, `finish` reads the
    rest. `fields` fills on the way. Both raise BadForm.
    """

    def __init__(self, body: Readable, content_type: str) -> None:
        self.fields: dict[str, str] = {}
        self._events = _events(body, content_type)

    def open_file(self) -> "FilePart":
        for event in self._events:
            if isinstance(event, MultipartSegment) and not self._take(event):
                return FilePart(event, self._events)
        raise BadForm(f"there is no part named {FILE!r}")

    def finish(self) -> None:
        for event in self._events:
            if isinstance(event, MultipartSegment) and not self._take(event):
                raise BadForm("there is more than one file")

    def _take(self, part: MultipartSegment) -> bool:
        """Read a field; False when the part is the file."""
        if part.name == FILE:
            return False
        name = part.name or ""
        if part.filename is not None:
            raise BadForm(f"the file's part is named {FILE!r}, not {name[:64]!r}")
        if name in self.fields:
            raise BadForm(f"the field {name[:64]!r} appears twice")
        self.fields[name] = self._text(name)
        return True

    def _text(self, name: str) -> str:
        value = bytearray()
        for chunk in _content(self._events):
            value += chunk
            if len(value) > MAX_FIELD_BYTES:
                raise BadForm(f"the field {name[:64]!r} is over {MAX_FIELD_BYTES} bytes")
        try:
            return value.decode()
        except UnicodeDecodeError as error:
            raise BadForm(f"the field {name[:64]!r} is not UTF-8") from error


class FilePart:
    """The file within the form, read as a stream."""

    def __init__(self, part: MultipartSegment, events: Iterator[Event]) -> None:
        self.name = part.filename
        self.content_type = part.content_type or ""
        self._content = _content(events)
        self._rest = b""

    def read(self, size: int, /) -> bytes:
        """Return up to `size` bytes; empty at the part's end."""
        if not self._rest:
            self._rest = bytes(next(self._content, b""))
        chunk, self._rest = self._rest[:size], self._rest[size:]
        return chunk


def _content(events: Iterator[Event]) -> Iterator[bytes | bytearray]:
    """The data of the part just begun, up to its end."""
    for event in events:
        if event is None:
            return
        yield cast("bytes | bytearray", event)  # the parser ends a part before the next


def _events(body: Readable, content_type: str) -> Iterator[Event]:
    try:
        parser = PushMultipartParser(_boundary(content_type), max_segment_count=MAX_FIELDS + 1)
        while chunk := body.read(CHUNK_BYTES):
            yield from parser.parse(chunk)
        parser.close()
    except MultipartError as error:
        raise BadForm(str(error)) from error


def _boundary(content_type: str) -> str:
    _, options = parse_options_header(content_type)
    if not options.get("boundary"):
        raise BadForm("the Content-Type has no boundary")
    return str(options["boundary"])
