"""POST /v1/documents."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from flask import Request, Response, g, jsonify, request
from flask_openapi3 import APIBlueprint, RawModel, Tag

from docmill.domain.document import Document
from docmill.domain.refusal import BadRequest
from docmill_ingest import spec
from docmill_ingest.accept import Accept, Caller
from docmill_ingest.context import caller
from docmill_ingest.incoming import incoming
from docmill_ingest.models import DocumentBody, LanguageList, body
from docmill_ingest.options import UploadOptions

TAG: Final = Tag(name="Upload")
MAX_IDEMPOTENCY_KEY: Final = 255
_PARAMETERS: Final[Mapping[str, str]] = {
    "Idempotency-Key": "Up to 255 printable characters; the same request repeated with the same "
    "key gives the same document, another request with it is refused.",
    "X-Correlation-ID": "Up to 128 characters of your own, kept with the document.",
}


class UploadBody(RawModel):
    """The file as it is, or a form with one part `file`; its type is found by its bytes."""

    mimetypes = [  # noqa: RUF012 - flask-openapi3 reads the attribute of the class
        "application/pdf",
        "image/png",
        "image/jpeg",
        "image/tiff",
        "image/webp",
        "image/bmp",
        "application/octet-stream",
        "multipart/form-data",
    ]


def upload_routes(routes: APIBlueprint, accept: Accept) -> None:
    @routes.post(
        "/documents",
        tags=[TAG],
        summary="Upload a document",
        operation_id="upload",
        responses=spec.answers(DocumentBody, 400, 413, 422, status=202),
    )
    def upload(query: UploadOptions, raw: UploadBody) -> Response:  # noqa: ARG001 - named for the OpenAPI document; `incoming` reads them with the form's fields
        """The file streams to the store; 202 means that it is kept and will be read."""
        return accepted(accept(_caller(request), incoming(request)))


def language_routes(routes: APIBlueprint, languages: Callable[[], frozenset[str]]) -> None:
    @routes.get(
        "/languages",
        tags=[TAG],
        summary="List the languages that can be read",
        operation_id="languages",
        responses=spec.answers(LanguageList),
    )
    def readable() -> Response:
        """Those that every OCR worker has a data pack for; `auto` where they can tell scripts."""
        return jsonify(body(LanguageList(items=sorted(languages()))))


def accepted(document: Document) -> Response:
    """Answer 202 with the document and where it is."""
    answer = Response(
        DocumentBody.of(document).model_dump_json(), 202, content_type="application/json"
    )
    answer.headers["Location"] = f"/v1/documents/{document.id}"
    return answer


def header_parameters() -> list[dict[str, Any]]:
    """The headers an upload takes, for the OpenAPI document."""
    return [
        {"name": name, "in": "header", "description": text, "schema": {"type": "string"}}
        for name, text in _PARAMETERS.items()
    ]


def upload_content() -> dict[str, Any]:
    """The body of an upload, for the OpenAPI document: the file itself, or a form around it."""
    binary = {"type": "string", "format": "binary"}
    options = UploadOptions.model_json_schema(ref_template="#/components/schemas/{model}")
    fields = {"file": binary, **options["properties"]}
    form = {"type": "object", "properties": fields, "required": ["file"]}
    return {
        each: {"schema": form if each.startswith("multipart/") else binary}
        for each in UploadBody.mimetypes
    }


def _caller(asked: Request) -> Caller:
    credential = caller()
    return Caller(
        tenant=credential.tenant,
        api_key=credential.key.id,
        correlation=g.correlation,
        idempotency_key=_idempotency_key(asked),
    )


def _idempotency_key(asked: Request) -> str | None:
    key = asked.headers.get("Idempotency-Key")
    if key is None:
        return None
    if not key or len(key) > MAX_IDEMPOTENCY_KEY or not key.isprintable():
        raise BadRequest(f"Idempotency-Key: 1 to {MAX_IDEMPOTENCY_KEY} printable characters")
    return key
