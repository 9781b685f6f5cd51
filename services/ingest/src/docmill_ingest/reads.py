"""Find what a caller asks for, or say why it is not there."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

from docmill.adapters.postgres.documents import (
    EVENTS_AT_ONCE,
    Documents,
    Filter,
    PageInfo,
    StoredPage,
)
from docmill.domain.document import (
    TERMINAL,
    Artifact,
    ArtifactKind,
    Document,
    Event,
    Output,
    State,
)
from docmill.domain.refusal import (
    DocumentExpired,
    DocumentNotFound,
    NotReady,
    OutputNotMade,
    PageNotFound,
)
from docmill.domain.rendering import read_page
from docmill.domain.tenant import Usage
from docmill.domain.words import PageText
from docmill.ports import BlobMissing, Blobs
from docmill_ingest.waiting import Changes

THUMBNAILS: Final = frozenset({
    ArtifactKind.THUMBNAIL_SMALL,
    ArtifactKind.THUMBNAIL_MEDIUM,
    ArtifactKind.THUMBNAIL_LARGE,
})


@dataclass(frozen=True, slots=True)
class Reads:
    """The reading side; every method is by tenant and raises a Refusal when there is nothing."""

    documents: Documents
    blobs: Blobs
    changes: Changes

    def document(self, tenant: str, document: UUID) -> Document:
        found = self.documents.get(tenant, document)
        if found is None:
            raise DocumentNotFound
        return found

    def page_of_documents(
        self, tenant: str, wanted: Filter, *, before: UUID | None, limit: int
    ) -> tuple[Sequence[Document], UUID | None]:
        """One page of the list, and where the next begins."""
        found = self.documents.list(tenant, wanted, before=before, limit=limit + 1)
        more = len(found) > limit
        return found[:limit], found[limit - 1].id if more else None

    def events(
        self, tenant: str, document: UUID, *, after: int
    ) -> tuple[Sequence[Event], int | None]:
        """One page of the history, and after which event the next begins."""
        limit = EVENTS_AT_ONCE
        found = self.documents.events(tenant, document, after=after, limit=limit + 1)
        more = len(found) > limit
        return found[:limit], found[limit - 1].seq if more else None

    def pages(self, tenant: str, document: UUID) -> Sequence[PageInfo]:
        self.document(tenant, document)
        return self.documents.pages(tenant, document)

    def usage(self, tenant: str) -> Usage:
        return self.documents.usage(tenant)

    def wait(self, tenant: str, document: UUID, *, version: int | None, limit: timedelta) -> bool:
        """Wait for a change from `version` (None: from now); False when all seats are taken."""
        first = self._version(tenant, document)
        seen = first[0] if version is None else version

        def settled() -> bool:
            now, state = self._version(tenant, document)
            return now != seen or state in TERMINAL

        with self.changes.seat() as seated:
            if seated:
                self.changes.wait(document, settled, limit)
        return seated

    def _version(self, tenant: str, document: UUID) -> tuple[int, State]:
        found = self.documents.version(tenant, document)
        if found is None:
            raise DocumentNotFound
        return found

    def original(self, tenant: str, document: UUID) -> Document:
        found = self.document(tenant, document)
        if found.state is State.EXPIRED:
            raise DocumentExpired
        return found

    def artifact(
        self, tenant: str, document: UUID, kind: ArtifactKind, page: int = 0
    ) -> tuple[Document, Artifact]:
        """An output of the last settled run."""
        found = self.original(tenant, document)
        artifact = self.documents.artifact(tenant, document, kind, page)
        if artifact is None:
            raise self._absence(found, kind, page)
        return found, artifact

    def page(self, tenant: str, document: UUID, number: int) -> PageText:
        """One page as it was read."""
        _, artifact = self.artifact(tenant, document, ArtifactKind.PAGE, number)
        return self.stored(artifact.key)

    def read_pages(self, tenant: str, document: UUID) -> Sequence[StoredPage]:
        """The pages of the last settled run that were read, at least one; `stored` reads them."""
        found = self.original(tenant, document)
        if found.settled_run is None:
            raise self._absence(found, ArtifactKind.PAGE, 0)
        pages = self.documents.read_pages(tenant, document)
        if not pages:
            raise OutputNotMade("no page was read")
        return pages

    def stored(self, key: str) -> PageText:
        """One page from where it is stored."""
        try:
            with self.blobs.open(key) as body:
                return read_page(body.read())
        except BlobMissing as error:  # it expired or was erased since its row was read
            raise DocumentExpired from error

    def _absence(
        self, document: Document, kind: ArtifactKind, page: int
    ) -> NotReady | OutputNotMade | PageNotFound:
        state = document.state.value
        if document.settled_run is None:
            return NotReady(f"the document is {state}", state=state)
        if kind in THUMBNAILS and self.documents.thumbnails_coming(document.tenant, document.id):
            return NotReady("the thumbnails are being made", state=state)
        if page:
            return self._absent_page(document, kind, page)
        return _unasked(document, kind)

    def _absent_page(
        self, document: Document, kind: ArtifactKind, page: int
    ) -> OutputNotMade | PageNotFound:
        pages = self.documents.pages(document.tenant, document.id)
        found = next((each for each in pages if each.plan.number == page), None)
        if found is None:
            return PageNotFound(f"page {page} was not read")
        if found.failure_code and kind is ArtifactKind.PAGE:
            return OutputNotMade(f"page {page}: {found.failure_code}", reason=found.failure_code)
        return _unasked(document, kind)


def _unasked(document: Document, kind: ArtifactKind) -> OutputNotMade:
    wanted = Output.THUMBNAILS if kind in THUMBNAILS else kind
    if wanted in document.options.outputs:
        return OutputNotMade(f"{wanted}: could not be made")
    return OutputNotMade(f"{wanted}: was not asked for")
