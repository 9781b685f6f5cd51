"""The API's answers: domain objects as JSON, in one place; OpenAPI is made of the same classes."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Self
from uuid import UUID

from pydantic import BaseModel, Field

from docmill.adapters.postgres.batches import Batch, BatchState
from docmill.adapters.postgres.documents import PageInfo
from docmill.domain.document import Document, Event, Ocr, Output, Priority, State
from docmill.domain.plan import Source
from docmill.domain.tenant import Limits, Usage
from docmill.domain.words import Doubt, PageText, Step, Strategy, Word
from docmill_ingest.catalogue import remedy
from docmill_ingest.options import written


class OptionsBody(BaseModel):
    """What the caller asked for."""

    languages: list[str]
    pages: list[int] = Field(description="Empty for all.")
    outputs: list[Output]
    force_ocr: list[int] = Field(description="Pages recognised in any case; 0 stands for all.")
    forbid_ocr: list[int] = Field(description="Pages never recognised; 0 stands for all.")


class ProgressBody(BaseModel):
    """How far the current run is."""

    total: int | None = Field(description="Pages to read; null until the file was looked into.")
    done: int
    failed: int


class FailureBody(BaseModel):
    """Why a document was rejected or failed."""

    code: str
    detail: str | None
    remedy: str


class DocumentBody(BaseModel):
    """A document."""

    id: UUID
    state: State
    version: int = Field(description="Rises with every change; also the ETag.")
    run: int
    settled_run: int | None = Field(description="The run whose outputs are read now.")
    name: str
    declared_type: str
    media_type: str | None = Field(description="What the bytes turned out to be.")
    size: int
    sha256: str
    options: OptionsBody
    priority: Priority
    metadata: dict[str, Any]
    correlation_id: str
    pages: ProgressBody
    pages_beyond: str | None = Field(
        description="Pages named in the options that the document does not have, as 7,9-12; null "
        "without any, and until the file was looked into."
    )
    failure: FailureBody | None
    hold_reason: str | None = Field(
        description="What all of its work waits for; null while something can go on."
    )
    accepted_at: datetime
    changed_at: datetime
    settled_at: datetime | None
    expires_at: datetime | None
    batch: UUID | None = Field(description="The batch it was uploaded into.")
    held_reason: str | None = Field(
        description="Why an operator keeps it from being erased or expiring; null without a hold."
    )
    links: dict[str, str]

    @classmethod
    def of(cls, document: Document) -> Self:
        same = {name: getattr(document, name) for name in _SAME}
        return cls(
            **same,
            sha256=document.sha256.hex(),
            options=_options(document),
            metadata=dict(document.metadata),
            correlation_id=document.correlation,
            pages=ProgressBody(
                total=document.pages, done=document.pages_done, failed=document.pages_failed
            ),
            pages_beyond=_beyond(document),
            failure=_failure(document),
            links=_links(document.id),
        )


_SAME = (
    "id", "state", "version", "run", "settled_run", "name", "declared_type", "media_type", "size",
    "priority", "hold_reason", "accepted_at", "changed_at", "settled_at", "expires_at",
    "batch", "held_reason",
)  # fmt: skip


class BatchBody(BaseModel):
    """Documents submitted together."""

    id: UUID
    name: str
    metadata: dict[str, Any]
    state: BatchState
    counts: dict[State, int] = Field(description="Documents of the batch now, by state.")
    created_at: datetime
    closed_at: datetime | None
    completed_at: datetime | None = Field(
        description="When it was closed and none of its documents was live; told once."
    )

    @classmethod
    def of(cls, batch: Batch) -> Self:
        return cls.model_validate(batch, from_attributes=True)


class DocumentList(BaseModel):
    """Documents, the newest first."""

    items: list[DocumentBody]
    next_cursor: str | None = Field(description="Pass it as `cursor`; null at the end.")


class EventBody(BaseModel):
    """One line of a document's history."""

    seq: int
    at: datetime
    kind: str
    run: int
    state: State | None
    data: dict[str, Any]

    @classmethod
    def of(cls, event: Event) -> Self:
        return cls(
            seq=event.seq,
            at=event.at,
            kind=event.kind,
            run=event.run,
            state=event.state,
            data=dict(event.data),
        )


class EventList(BaseModel):
    """A document's history, in order."""

    items: list[EventBody]
    next_after: int | None = Field(description="`after` of the next page; null on the last.")


class PageSummary(BaseModel):
    """One page as planned, and what became of it."""

    number: int
    source: Source
    reason: str = Field(description="What the page was found to be, in a stable word.")
    ocr: Ocr = Field(description="What was asked for it; `force` and `forbid` decide its source.")
    width: float
    height: float
    unit: str
    facts: dict[str, Any]
    failure: FailureBody | None

    @classmethod
    def of(cls, page: PageInfo) -> Self:
        plan = page.plan
        code = page.failure_code
        return cls(
            number=plan.number,
            source=plan.source,
            reason=plan.reason,
            ocr=page.ocr,
            width=plan.width,
            height=plan.height,
            unit=plan.unit,
            facts=dict(page.facts),
            failure=FailureBody(code=code, detail=None, remedy=remedy(code)) if code else None,
        )


class PageList(BaseModel):
    """The pages of a document that are read."""

    items: list[PageSummary]


class WordBody(BaseModel):
    """One word."""

    text: str
    box: tuple[float, float, float, float] = Field(
        description="Left, top, right, bottom from the page's top left corner, in its unit."
    )
    confidence: float
    block: int
    paragraph: int
    line: int

    @classmethod
    def of(cls, word: Word) -> Self:
        return cls(
            text=word.text,
            box=word.box,
            confidence=word.confidence,
            block=word.block,
            paragraph=word.paragraph,
            line=word.line,
        )


class LookBody(BaseModel):
    """One recognition of a page."""

    strategy: Strategy
    engine: str = Field(description="As of a page; empty where unknown.")
    steps: list[Step] = Field(description="What was done to the page before, in turn.")
    confidence: float = Field(description="The mean over characters, 0 without any.")
    doubt: Doubt | None = Field(description="Why another look followed.")
    kept: bool = Field(description="Whether the page's words are its words.")


class PageBody(BaseModel):
    """One page as read."""

    number: int
    width: float
    height: float
    unit: str = Field(description="px for images, pt (1/72 inch) for PDF.")
    source: Source
    engine: str = Field(
        description="What read it, with its version, and each language with the version of its"
        " model: `tesserocr 5.5.4 eng@7d4322bd`, the head of the model's SHA-256."
    )
    rotation: int
    script: str | None = Field(
        description="The script told from the page's looks, where `auto` was among its languages."
    )
    confidence: float | None = Field(
        description="The mean over characters, from 0 to 100; null without any."
    )
    looks: list[LookBody] = Field(
        description="The recognitions of the page, in turn; none where one sure look at the page as"
        " it is was all, or where no OCR was needed."
    )
    text: str
    words: list[WordBody]

    @classmethod
    def of(cls, page: PageText) -> Self:
        return cls(
            number=page.number,
            width=page.width,
            height=page.height,
            unit=page.unit,
            source=page.source,
            engine=page.engine,
            rotation=page.rotation,
            script=page.script or None,
            confidence=page.confidence,
            looks=[LookBody(**look.as_json()) for look in page.looks],
            text=page.text,
            words=[WordBody.of(word) for word in page.words],
        )


class LimitsBody(BaseModel):
    """What the tenant may use."""

    max_file_bytes: int
    max_pages: int
    max_storage_bytes: int
    retention_seconds: float
    max_retention_seconds: float


class UsageBody(BaseModel):
    """What the tenant uses now."""

    tenant: str
    documents: int
    live_documents: int
    storage_bytes: int
    limits: LimitsBody

    @classmethod
    def of(cls, tenant: str, usage: Usage, limits: Limits) -> Self:
        return cls(
            tenant=tenant,
            documents=usage.documents,
            live_documents=usage.live_documents,
            storage_bytes=usage.storage_bytes,
            limits=LimitsBody(
                max_file_bytes=limits.max_file_bytes,
                max_pages=limits.max_pages,
                max_storage_bytes=limits.max_storage_bytes,
                retention_seconds=limits.retention.total_seconds(),
                max_retention_seconds=limits.max_retention.total_seconds(),
            ),
        )


class LanguageList(BaseModel):
    """What may be asked for as languages."""

    items: list[str]


class Problem(BaseModel):
    """An error (RFC 9457); programs look at `code`, docs/reference/errors.md lists them."""

    type: str
    title: str
    status: int
    code: str
    detail: str | None = None
    remedy: str | None = None
    correlation_id: str | None = None


def document_list(documents: Sequence[Document], next_cursor: str | None) -> DocumentList:
    return DocumentList(
        items=[DocumentBody.of(each) for each in documents], next_cursor=next_cursor
    )


def body(model: BaseModel) -> dict[str, Any]:
    """Return the JSON value of an answer."""
    return model.model_dump(mode="json")


def _options(document: Document) -> OptionsBody:
    options = document.options
    return OptionsBody(
        languages=list(options.languages),
        pages=list(options.pages),
        outputs=sorted(options.outputs),
        force_ocr=list(options.force_ocr),
        forbid_ocr=list(options.forbid_ocr),
    )


def _beyond(document: Document) -> str | None:
    if document.pages is None:
        return None
    return written(document.options.beyond(document.pages)) or None


def _failure(document: Document) -> FailureBody | None:
    code = document.failure_code
    if code is None:
        return None
    return FailureBody(code=code, detail=document.failure_detail or None, remedy=remedy(code))


def _links(document: UUID) -> dict[str, str]:
    base = f"/v1/documents/{document}"
    parts = ("events", "pages", "text", "words", "hocr", "alto", "pdf", "thumbnail", "original")
    return {"self": base, **{part: f"{base}/{part}" for part in parts}}
