"""/v1/batches: open, look, close, cancel."""

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from flask import Response, g, jsonify
from flask_openapi3 import APIBlueprint, Tag

from docmill.adapters.postgres.batches import PostgresBatches
from docmill.adapters.postgres.lifecycle import PostgresLifecycle
from docmill_ingest import spec
from docmill_ingest.context import caller
from docmill_ingest.models import BatchBody, body
from docmill_ingest.options import metadata
from docmill_ingest.query import BatchPath, BatchQuery

TAG: Final = Tag(name="Batches")


@dataclass(frozen=True, slots=True)
class Batching:
    """What callers do with batches."""

    batches: PostgresBatches
    lifecycle: PostgresLifecycle

    def cancel(self, tenant: str, batch: UUID, *, by: str, correlation: str) -> None:
        """Cancel every live document, each on its own; the scheduler ends what breaks off."""
        self.batches.begin_cancel(tenant, batch)
        if self.batches.get(tenant, batch).completed_at is None:
            for owner, document in self.batches.live_members(batch):
                self.lifecycle.cancel(owner, document, by=by, correlation=correlation)
            self.batches.complete(batch)


def batch_routes(routes: APIBlueprint, batching: Batching) -> None:
    @routes.post(
        "/batches",
        tags=[TAG],
        summary="Open a batch",
        operation_id="open_batch",
        responses=spec.answers(BatchBody, 422, status=201),
    )
    def open_batch(query: BatchQuery) -> Response:
        """Upload into it with `batch=<id>`, then close it."""
        tenant = caller().tenant.id
        batch = batching.batches.open(tenant, name=query.name, metadata=metadata(query.metadata))
        answer = _shown(batching, batch)
        answer.status_code = 201
        answer.headers["Location"] = f"/v1/batches/{batch}"
        return answer

    @routes.get(
        "/batches/<uuid:batch>",
        tags=[TAG],
        summary="Get a batch",
        operation_id="batch",
        responses=spec.answers(BatchBody, 404),
    )
    def show_batch(path: BatchPath) -> Response:
        """With its documents counted by state."""
        return _shown(batching, path.batch)

    _ending_routes(routes, batching)


def _ending_routes(routes: APIBlueprint, batching: Batching) -> None:
    @routes.post(
        "/batches/<uuid:batch>/close",
        tags=[TAG],
        summary="Take no more documents into a batch",
        operation_id="close_batch",
        responses=spec.answers(BatchBody, 404),
    )
    def close_batch(path: BatchPath) -> Response:
        """Once none of its documents is live, `batch.completed` is sent, once. Twice is safe."""
        batching.batches.close(caller().tenant.id, path.batch)
        return _shown(batching, path.batch)

    @routes.post(
        "/batches/<uuid:batch>/cancel",
        tags=[TAG],
        summary="Cancel the live documents of a batch, and close it",
        operation_id="cancel_batch",
        responses=spec.answers(BatchBody, 404),
    )
    def cancel_batch(path: BatchPath) -> Response:
        """A batch that has completed stays as it is. Twice is safe."""
        credential = caller()
        batching.cancel(
            credential.tenant.id, path.batch, by=credential.key.id, correlation=g.correlation
        )
        return _shown(batching, path.batch)


def _shown(batching: Batching, batch: UUID) -> Response:
    return jsonify(body(BatchBody.of(batching.batches.get(caller().tenant.id, batch))))
