"""What the routes take in paths and queries."""

import base64
import binascii
from enum import StrEnum
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, Field

from docmill.adapters.postgres.documents import Filter
from docmill.domain.document import ArtifactKind, State
from docmill.domain.refusal import InvalidCursor, InvalidOption
from docmill_ingest.asked import Asked
from docmill_ingest.options import json_object

MAX_WAIT_SECONDS = 60
MAX_LIST = 100


class ThumbnailSize(StrEnum):
    """Sizes of thumbnails by their longest side: 128, 400 and 1024 px."""

    SMALL = "small"
    MEDIUM = "medium"
    LARGE = "large"

    @property
    def kind(self) -> ArtifactKind:
        return ArtifactKind(f"thumbnail_{self.value}")


class DocumentPath(BaseModel):
    document: UUID = Field(description="The document's id.")


class HoldQuery(Asked):
    reason: str = Field(
        min_length=1, max_length=1000, pattern=r"^[^\x00]*$", description="Shown in the document."
    )


class BatchPath(BaseModel):
    batch: UUID = Field(description="The batch's id.")


class BatchQuery(Asked):
    name: str = Field(
        "", max_length=255, pattern=r"^[^\x00]*$", description="What people call the batch."
    )
    metadata: str | None = Field(
        None, description="A JSON object of your own, returned as it is and in the webhook."
    )


class PagePath(DocumentPath):
    page: int = Field(ge=1, le=1_000_000, description="The page's number, from 1.")


class WaitQuery(Asked):
    wait: float | None = Field(
        None,
        ge=0,
        le=MAX_WAIT_SECONDS,
        description="Seconds to wait until the document has settled or its version changes: from "
        "the one in If-None-Match, else from the one at the time of the request.",
    )


class EventsQuery(Asked):
    after: int = Field(0, ge=0, le=2**31 - 1, description="Only events after this `seq`.")


class ThumbnailQuery(Asked):
    size: ThumbnailSize = Field(ThumbnailSize.MEDIUM, description="128, 400 or 1024 px.")


class PageThumbnailQuery(Asked):
    size: ThumbnailSize = Field(
        ThumbnailSize.SMALL, description="Page 1 has every size, the others only `small`."
    )


class ListQuery(Asked):
    state: str | None = Field(None, max_length=128, description="States by commas: ready,failed")
    name: str | None = Field(
        None,
        max_length=255,
        pattern=r"^[^\x00]*$",  # PostgreSQL keeps no U+0000
        description="Part of the name, in any case.",
    )
    metadata: str | None = Field(
        None, max_length=4096, description="A JSON object that the metadata contains."
    )
    accepted_from: AwareDatetime | None = Field(None, description="At or after this time.")
    accepted_to: AwareDatetime | None = Field(None, description="Before this time.")
    limit: int = Field(20, ge=1, le=MAX_LIST, description="How many at once.")
    cursor: str | None = Field(None, max_length=64, description="`next_cursor` of the page before.")

    def filter(self) -> Filter:
        """Raise InvalidOption or BadMetadata."""
        return Filter(
            states=_states(self.state),
            name=self.name,
            metadata=None if self.metadata is None else json_object(self.metadata),
            accepted_from=self.accepted_from,
            accepted_to=self.accepted_to,
        )

    @property
    def before(self) -> UUID | None:
        """Raise InvalidCursor."""
        if self.cursor is None:
            return None
        try:
            return UUID(bytes=base64.urlsafe_b64decode(f"{self.cursor}=="))
        except (ValueError, binascii.Error) as error:
            raise InvalidCursor from error


def cursor(last: UUID | None) -> str | None:
    """Write where the next page of a list begins."""
    return base64.urlsafe_b64encode(last.bytes).decode().rstrip("=") if last else None


def _states(text: str | None) -> list[State] | None:
    if text is None:
        return None
    try:
        return [State(part.strip()) for part in text.split(",")]
    except ValueError as error:
        raise InvalidOption(f"state: {error}", option="state") from error
