"""GET /v1/documents/{id}/events: the history as a list, or live as server-sent events."""

import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Final
from uuid import UUID

from flask import Request, Response, jsonify, request
from flask_openapi3 import APIBlueprint, Tag

from docmill.adapters.postgres.documents import Documents
from docmill.domain.document import TERMINAL
from docmill.domain.errors import DatabaseDown
from docmill_ingest import spec
from docmill_ingest.context import caller
from docmill_ingest.models import EventBody, EventList, body
from docmill_ingest.query import DocumentPath, EventsQuery
from docmill_ingest.reads import Reads
from docmill_ingest.waiting import POLL_SECONDS, Changes

TAG: Final = Tag(name="Documents")
STREAM: Final = "text/event-stream"
HEARTBEAT_SECONDS: Final = 15.0
_RECONNECT: Final = "retry: 2000\n\n"


def event_routes(routes: APIBlueprint, reads: Reads, limit: timedelta) -> None:
    @routes.get(
        "/documents/<uuid:document>/events",
        tags=[TAG],
        summary="A document's history; live with Accept: text/event-stream",
        operation_id="events",
        responses=spec.answers(EventList, 404, 422),
    )
    def events(path: DocumentPath, query: EventsQuery) -> Response:
        """A stream begins after Last-Event-ID and ends when the document has settled."""
        tenant = caller().tenant.id
        reads.document(tenant, path.document)
        if request.accept_mimetypes.best_match(["application/json", STREAM]) == STREAM:
            after = _last_event_id(request, query.after)
            stream = EventStream(reads.documents, reads.changes, tenant, path.document, limit)
            return Response(stream.read(after), content_type=f"{STREAM}; charset=utf-8")
        found, following = reads.events(tenant, path.document, after=query.after)
        items = [EventBody.of(each) for each in found]
        return jsonify(body(EventList(items=items, next_after=following)))


def _last_event_id(asked: Request, default: int) -> int:
    given = asked.headers.get("Last-Event-ID", "")
    return int(given) if given.isdecimal() and len(given) < 10 else default  # noqa: PLR2004 - fits an integer column


class EventStream:
    """One caller's live history. It takes a seat of those who wait, and holds no connection."""

    def __init__(
        self,
        documents: Documents,
        changes: Changes,
        tenant: str,
        document: UUID,
        limit: timedelta,
    ) -> None:
        self._documents = documents
        self._changes = changes
        self._tenant = tenant
        self._document = document
        self._limit = limit.total_seconds()

    def read(self, after: int) -> Iterator[str]:
        """Give what has happened, then what happens; without a free seat only the former."""
        yield _RECONNECT
        with self._changes.seat() as seated:
            try:
                yield from self._follow(after) if seated else self._happened(after)
            except DatabaseDown:
                return  # the caller reconnects with Last-Event-ID

    def _happened(self, after: int) -> Iterator[str]:
        for event in self._documents.history(self._tenant, self._document, after=after):
            yield _line(event.seq, event.kind, EventBody.of(event))

    def _follow(self, after: int) -> Iterator[str]:
        deadline = time.monotonic() + self._limit
        quiet_since = time.monotonic()
        with self._changes.watching(self._document) as changed:
            while not self._over(deadline):
                changed.clear()
                settled = self._settled()
                for event in self._documents.history(self._tenant, self._document, after=after):
                    after, quiet_since = event.seq, time.monotonic()
                    yield _line(event.seq, event.kind, EventBody.of(event))
                if settled:
                    return
                if time.monotonic() - quiet_since > HEARTBEAT_SECONDS:
                    quiet_since = time.monotonic()
                    yield ": still here\n\n"
                changed.wait(POLL_SECONDS)

    def _over(self, deadline: float) -> bool:
        return self._changes.closing.is_set() or time.monotonic() > deadline

    def _settled(self) -> bool:
        found = self._documents.version(self._tenant, self._document)
        return found is None or found[1] in TERMINAL


def _line(seq: int, kind: str, event: EventBody) -> str:
    return f"id: {seq}\nevent: {kind}\ndata: {event.model_dump_json()}\n\n"
