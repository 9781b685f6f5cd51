"""A document, its states and their table of moves."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final, TypeAlias
from uuid import UUID

DEFAULT_LANGUAGE: Final = "eng"
ANY_LANGUAGE: Final = "auto"  # among the languages asked for: what each page's script calls for


class State(StrEnum):
    """Where a document is in its life."""

    RECEIVED = "received"
    PROCESSING = "processing"
    READY = "ready"
    REJECTED = "rejected"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    ERASING = "erasing"


MOVES: Final[Mapping[State, frozenset[State]]] = {
    State.RECEIVED: frozenset({
        State.PROCESSING,
        State.REJECTED,
        State.FAILED,
        State.CANCELLED,
        State.ERASING,
    }),
    State.PROCESSING: frozenset({State.READY, State.FAILED, State.CANCELLED, State.ERASING}),
    State.READY: frozenset({State.PROCESSING, State.EXPIRED, State.ERASING}),
    State.REJECTED: frozenset({State.EXPIRED, State.ERASING}),
    State.FAILED: frozenset({State.PROCESSING, State.EXPIRED, State.ERASING}),
    State.CANCELLED: frozenset({State.PROCESSING, State.EXPIRED, State.ERASING}),
    State.EXPIRED: frozenset({State.ERASING}),
    State.ERASING: frozenset(),  # the row itself goes; only the audit line stays
}

LIVE: Final = frozenset({State.RECEIVED, State.PROCESSING})
TERMINAL: Final = frozenset({
    State.READY,
    State.REJECTED,
    State.FAILED,
    State.CANCELLED,
    State.EXPIRED,
})
RERUNNABLE: Final = frozenset(state for state in TERMINAL if State.PROCESSING in MOVES[state])


class Priority(StrEnum):
    """How urgent work is within its tenant."""

    CRITICAL = "critical"
    DEFAULT = "default"
    BATCH = "batch"

    @property
    def rank(self) -> int:
        """0 for the most urgent; waiting lowers it by one class per five minutes."""
        return list(Priority).index(self)


class Output(StrEnum):
    """What a caller may ask for besides the text, which every document gets."""

    WORDS = "words"
    HOCR = "hocr"
    PDF = "pdf"
    THUMBNAILS = "thumbnails"


class Ocr(StrEnum):
    """Whether a page may be recognised."""

    AUTO = "auto"  # where its own text does not do
    FORCE = "force"
    FORBID = "forbid"


EVERY_PAGE: Final = 0  # in place of page numbers
Pages: TypeAlias = tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the caller asked for; every run keeps its own copy.

    `pages` is a sorted tuple of page numbers from 1, empty for all; `force_ocr` and `forbid_ocr`
    have nothing in common; (EVERY_PAGE,) is all pages that the other one does not name.
    """

    languages: tuple[str, ...] = (DEFAULT_LANGUAGE,)
    pages: Pages = ()
    outputs: frozenset[Output] = frozenset(Output)
    force_ocr: Pages = ()
    forbid_ocr: Pages = ()

    def ocr(self, page: int) -> Ocr:
        """Return what was asked for a page."""
        for number in (page, EVERY_PAGE):
            if number in self.force_ocr:
                return Ocr.FORCE
            if number in self.forbid_ocr:
                return Ocr.FORBID
        return Ocr.AUTO

    def beyond(self, total: int) -> Pages:
        """Return the pages asked for that a document of so many does not have."""
        asked = {*self.pages, *self.force_ocr, *self.forbid_ocr}
        return tuple(sorted(page for page in asked if page > total))

    def as_json(self) -> dict[str, Any]:
        """Return a JSON value that `from_json` reads back, the same for equal options."""
        return {
            "languages": list(self.languages),
            "pages": list(self.pages),
            "outputs": sorted(self.outputs),
            # Left out where empty, as the release before does: a repeated request is the same.
            **({"force_ocr": list(self.force_ocr)} if self.force_ocr else {}),
            **({"forbid_ocr": list(self.forbid_ocr)} if self.forbid_ocr else {}),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Options":
        """Read what `as_json` wrote."""
        return cls(
            languages=tuple(value["languages"]),
            pages=tuple(value["pages"]),
            outputs=frozenset(Output(each) for each in value["outputs"]),
            force_ocr=tuple(value.get("force_ocr", ())),
            forbid_ocr=tuple(value.get("forbid_ocr", ())),
        )


@dataclass(frozen=True, slots=True)
class OcrChange:
    """What to ask of OCR otherwise, in pages as in Options; None keeps what is asked."""

    force: Pages | None = None
    forbid: Pages | None = None

    def of(self, options: Options) -> Options:
        """Return the options changed: what is given takes its pages from what is kept."""
        force = _left(options.force_ocr, self.forbid) if self.force is None else self.force
        forbid = _left(options.forbid_ocr, self.force) if self.forbid is None else self.forbid
        return replace(options, force_ocr=force, forbid_ocr=forbid)


def _left(kept: Pages, taken: Pages | None) -> Pages:
    if taken is None:
        return kept
    return () if EVERY_PAGE in taken else tuple(page for page in kept if page not in taken)


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """A file whose bytes are stored and checked, on the point of being accepted."""

    document: UUID
    tenant: str
    key: str  # of the blob
    name: str
    declared_type: str
    size: int
    sha256: bytes
    options: Options
    priority: Priority = Priority.DEFAULT
    metadata: Mapping[str, Any] = field(default_factory=dict)
    retention: timedelta
    correlation: str
    api_key: str
    batch: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A document as readers see it."""

    id: UUID
    tenant: str
    state: State
    version: int
    run: int
    settled_run: int | None
    name: str
    declared_type: str
    media_type: str | None
    size: int
    sha256: bytes
    key: str
    options: Options
    priority: Priority
    metadata: Mapping[str, Any]
    correlation: str
    pages: int | None
    pages_done: int
    pages_failed: int
    failure_code: str | None
    failure_detail: str | None
    hold_reason: str | None
    accepted_at: datetime
    changed_at: datetime
    settled_at: datetime | None
    expires_at: datetime | None
    batch: UUID | None = None
    held_reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One line of a document's append-only history; `seq` rises by one without gaps."""

    document: UUID
    seq: int
    at: datetime
    kind: str
    run: int
    state: State | None
    data: Mapping[str, Any]


class ArtifactKind(StrEnum):
    """The kinds of stored outputs; one of a kind per page and run."""

    PAGE = "page"  # one page's text, words and geometry as JSON
    TEXT = "text"
    WORDS = "words"
    HOCR = "hocr"
    PDF = "pdf"
    THUMBNAIL_SMALL = "thumbnail_small"
    THUMBNAIL_MEDIUM = "thumbnail_medium"
    THUMBNAIL_LARGE = "thumbnail_large"


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """A stored output. `page` is 0 for what belongs to the whole document."""

    kind: ArtifactKind
    page: int
    key: str
    sha256: bytes
    size: int
    media_type: str
