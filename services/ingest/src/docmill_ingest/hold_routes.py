"""/v1/documents/{id}/hold: an operator's legal hold, on any tenant's document."""

from typing import Final

from flask import Response
from flask_openapi3 import APIBlueprint, Tag

from docmill.adapters.postgres.holds import PostgresHolds
from docmill.adapters.postgres.lifecycle import Answer
from docmill.domain.refusal import DocumentNotFound
from docmill_ingest import spec
from docmill_ingest.context import caller
from docmill_ingest.query import DocumentPath, HoldQuery

TAG: Final = Tag(name="Holds")
_DONE: Final = spec.nothing("It is so now; twice is safe.")


def hold_routes(routes: APIBlueprint, holds: PostgresHolds) -> None:
    @routes.put(
        "/documents/<uuid:document>/hold",
        tags=[TAG],
        summary="Keep a document from being erased or expiring",
        operation_id="hold",
        responses=spec.answers(_DONE, 403, 404, 422, status=204),
    )
    def hold(path: DocumentPath, query: HoldQuery) -> Response:
        """For keys of the scope `operator`. A second hold keeps the first one's reason."""
        return _answer(holds.hold(path.document, reason=query.reason, by=caller().key.id))

    @routes.delete(
        "/documents/<uuid:document>/hold",
        tags=[TAG],
        summary="Let a document be erased and expire again",
        operation_id="release",
        responses=spec.answers(_DONE, 403, 404, status=204),
    )
    def release(path: DocumentPath) -> Response:
        """For keys of the scope `operator`."""
        return _answer(holds.release(path.document, by=caller().key.id))


def _answer(answer: Answer) -> Response:
    if answer is Answer.MISSING:
        raise DocumentNotFound
    return Response(status=204)
