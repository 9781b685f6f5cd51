"""The API put together: routes, errors, what surrounds every request, and its description."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from flask import Response, jsonify
from flask_openapi3 import APIBlueprint, Info, OpenAPI

from docmill.adapters.postgres.holds import PostgresHolds
from docmill.adapters.postgres.lifecycle import PostgresLifecycle
from docmill_ingest import context, problem, spec
from docmill_ingest.accept import Accept
from docmill_ingest.auth import Authenticate
from docmill_ingest.batch_routes import Batching, batch_routes
from docmill_ingest.content import Content
from docmill_ingest.document_routes import (
    document_routes,
    erase_routes,
    lifecycle_routes,
    tenant_routes,
)
from docmill_ingest.event_routes import event_routes
from docmill_ingest.guide import guide
from docmill_ingest.hold_routes import hold_routes
from docmill_ingest.models import Problem
from docmill_ingest.output_routes import (
    Outputs,
    file_routes,
    format_routes,
    output_routes,
    page_routes,
)
from docmill_ingest.reads import Reads
from docmill_ingest.upload_routes import (
    header_parameters,
    language_routes,
    upload_content,
    upload_routes,
)

VERSION: Final = "1.0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What the routes need."""

    accept: Accept
    reads: Reads
    lifecycle: PostgresLifecycle
    authenticate: Authenticate
    batching: Batching
    holds: PostgresHolds
    client_timeout: timedelta = timedelta(seconds=60)
    stream_limit: timedelta = timedelta(minutes=5)


def create_app(parts: Parts) -> OpenAPI:
    """Make the WSGI application."""
    app = OpenAPI(
        __name__,
        info=Info(title="docmill", version=VERSION),
        security_schemes=spec.SECURITY_SCHEMES,
        validation_error_callback=problem.from_validation,
        validation_error_model=Problem,
        doc_ui=False,
        static_folder=None,
    )
    app.json.sort_keys = False  # type: ignore[attr-defined]  # of the default provider
    problem.install(app)
    context.install(app, parts.authenticate, parts.client_timeout.total_seconds())
    app.register_api(_routes(parts))
    _describe(app)
    return app


def _routes(parts: Parts) -> APIBlueprint:
    # one blueprint: flask-openapi3 (4.3) forgets a path's methods when a second one has it too
    routes = APIBlueprint("v1", __name__, url_prefix="/v1", abp_security=spec.SECURITY)
    outputs = Outputs(parts.reads, Content(parts.reads.blobs))
    upload_routes(routes, parts.accept)
    language_routes(routes, parts.accept.languages)
    tenant_routes(routes, parts.reads)
    document_routes(routes, parts.reads)
    lifecycle_routes(routes, parts.reads, parts.lifecycle)
    erase_routes(routes, parts.lifecycle)
    batch_routes(routes, parts.batching)
    hold_routes(routes, parts.holds)
    event_routes(routes, parts.reads, parts.stream_limit)
    output_routes(routes, outputs)
    page_routes(routes, parts.reads)
    format_routes(routes, parts.reads)
    file_routes(routes, outputs)
    return routes


def _describe(app: OpenAPI) -> None:
    described = description(app)

    @app.route("/openapi.json")
    def openapi() -> Response:
        return jsonify(described)

    @app.route("/openapi")
    @app.route("/")
    def human() -> Response:
        return Response(guide(described), content_type="text/html; charset=utf-8")


def description(app: OpenAPI) -> dict[str, Any]:
    """The OpenAPI 3.1 document."""
    made: dict[str, Any] = app.api_doc
    made["components"]["schemas"][Problem.__name__] = Problem.model_json_schema()
    upload = made["paths"]["/v1/documents"]["post"]
    upload["parameters"] = upload.get("parameters", []) + header_parameters()
    upload["requestBody"]["content"] = upload_content()
    for path in made["paths"].values():
        for operation in path.values():
            _as_problem(operation["responses"])
    return made


def _as_problem(responses: dict[str, Any]) -> None:
    """flask-openapi3 (4.3) describes its own 422; ours is a problem like every other."""
    if "422" in responses:
        responses["422"]["content"] = {
            problem.MEDIA_TYPE: {"schema": spec.PROBLEM_REF},
        }
