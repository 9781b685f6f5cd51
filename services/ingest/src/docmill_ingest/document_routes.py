"""/v1/documents: look, list, wait, cancel, retry, erase."""

import re
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Final
from uuid import UUID

from flask import Response, g, jsonify, request
from flask_openapi3 import APIBlueprint, Tag

from docmill.adapters.postgres.lifecycle import Answer, PostgresLifecycle
from docmill.domain.document import Document
from docmill.domain.refusal import (
    DocumentHeld,
    DocumentNotFound,
    NotCancellable,
    NotRetryable,
    Refusal,
)
from docmill_ingest import spec
from docmill_ingest.context import caller, waiting
from docmill_ingest.models import (
    DocumentBody,
    DocumentList,
    PageList,
    PageSummary,
    UsageBody,
    body,
    document_list,
)
from docmill_ingest.options import OcrOptions
from docmill_ingest.query import DocumentPath, ListQuery, WaitQuery, cursor
from docmill_ingest.reads import Reads
from docmill_ingest.upload_routes import accepted

TAG: Final = Tag(name="Documents")
Change = Callable[..., Answer]
_VERSION: Final = re.compile(r"[0-9]{1,10}")  # an integer column of PostgreSQL


def document_routes(routes: APIBlueprint, reads: Reads) -> None:
    @routes.get(
        "/documents/<uuid:document>",
        tags=[TAG],
        summary="Get a document, or wait for it",
        operation_id="get",
        responses=spec.answers(DocumentBody, 404, 422) | {304: spec.nothing("Not changed.")},
    )
    def show(path: DocumentPath, query: WaitQuery) -> Response:
        """Answers 304 when If-None-Match holds the current version."""
        return _shown(reads, path.document, query.wait)

    @routes.get(
        "/documents/<uuid:document>/pages",
        tags=[TAG],
        summary="List the pages that are read, and what became of each",
        operation_id="pages",
        responses=spec.answers(PageList, 404),
    )
    def pages(path: DocumentPath) -> Response:
        """Known once the file was looked into."""
        found = reads.pages(caller().tenant.id, path.document)
        return jsonify(body(PageList(items=[PageSummary.of(each) for each in found])))


def tenant_routes(routes: APIBlueprint, reads: Reads) -> None:
    @routes.get(
        "/documents",
        tags=[TAG],
        summary="List documents",
        operation_id="list",
        responses=spec.answers(DocumentList, 422),
    )
    def index(query: ListQuery) -> Response:
        """The newest first."""
        found, last = reads.page_of_documents(
            caller().tenant.id, query.filter(), before=query.before, limit=query.limit
        )
        return jsonify(body(document_list(found, cursor(last))))

    @routes.get(
        "/usage",
        tags=[TAG],
        summary="What the tenant uses, and what it may",
        operation_id="usage",
        responses=spec.answers(UsageBody),
    )
    def usage() -> Response:
        """Uploads under way count with their declared size."""
        tenant = caller().tenant
        return jsonify(body(UsageBody.of(tenant.id, reads.usage(tenant.id), tenant.limits)))


def lifecycle_routes(routes: APIBlueprint, reads: Reads, lifecycle: PostgresLifecycle) -> None:
    @routes.post(
        "/documents/<uuid:document>/cancel",
        tags=[TAG],
        summary="Cancel a document that is being worked on",
        operation_id="cancel",
        responses=spec.answers(DocumentBody, 404, 409, status=202),
    )
    def cancel(path: DocumentPath) -> Response:
        """Running work is killed within seconds. Twice is safe."""
        _change(lifecycle.cancel, path.document, NotCancellable())
        return accepted(reads.document(caller().tenant.id, path.document))

    @routes.post(
        "/documents/<uuid:document>/retry",
        tags=[TAG],
        summary="Open a new run",
        operation_id="retry",
        responses=spec.answers(DocumentBody, 404, 409, 422, status=202),
    )
    def retry(path: DocumentPath, query: OcrOptions) -> Response:
        """What the last run made is kept; until the new one has settled, its outputs are read.

        An option that is not given stays as it was; with another one every page is read anew.
        """
        change = partial(lifecycle.retry, change=query.change())
        _change(change, path.document, NotRetryable())
        return accepted(reads.document(caller().tenant.id, path.document))


def erase_routes(routes: APIBlueprint, lifecycle: PostgresLifecycle) -> None:
    @routes.delete(
        "/documents/<uuid:document>",
        tags=[TAG],
        summary="Erase a document",
        operation_id="erase",
        responses=spec.answers(
            spec.nothing("It is hidden now and will be gone."), 404, 409, status=202
        ),
    )
    def erase(path: DocumentPath) -> Response:
        """It is a 404 at once; its content and rows are deleted soon after."""
        _change(lifecycle.erase, path.document, DocumentNotFound())
        return Response(status=202)


def _change(change: Change, document: UUID, conflict: Refusal) -> None:
    credential = caller()
    answer = change(credential.tenant.id, document, by=credential.key.id, correlation=g.correlation)
    if answer is Answer.MISSING:
        raise DocumentNotFound
    if answer is Answer.HELD:
        raise DocumentHeld
    if answer is Answer.CONFLICT:
        raise conflict


def _shown(reads: Reads, document: UUID, wait: float | None) -> Response:
    tenant = caller().tenant.id
    seated = True
    if wait:
        waiting()
        seated = reads.wait(
            tenant, document, version=_known_version(), limit=timedelta(seconds=wait)
        )
    answer = _answer(reads.document(tenant, document))
    if not seated:
        answer.headers["Retry-After"] = "1"
    return answer


def _known_version() -> int | None:
    """The version the caller has, from If-None-Match."""
    tags = request.if_none_match.as_set(include_weak=True)
    return max((int(tag) for tag in tags if _VERSION.fullmatch(tag)), default=None)


def _answer(document: Document) -> Response:
    # not `make_conditional`: it reads dates, nothing here has one, and fails on odd ones
    if document.hold_reason:  # comes and goes without a new version
        return jsonify(body(DocumentBody.of(document)))
    version = str(document.version)
    if request.if_none_match.contains_weak(version):
        answer = Response(status=304)
    else:
        answer = jsonify(body(DocumentBody.of(document)))
    answer.set_etag(version)
    return answer
