"""/v1/documents/{id}/…: the outputs, the original and the pages."""

from collections.abc import Sequence
from hashlib import sha256
from http import HTTPStatus
from itertools import chain
from typing import Final
from uuid import UUID

from flask import Response, jsonify, request
from flask_openapi3 import APIBlueprint, Tag

from docmill.adapters.postgres.documents import StoredPage
from docmill.domain.alto import ALTO_TYPE, alto, alto_document
from docmill.domain.document import ArtifactKind
from docmill.domain.rendering import hocr as render_hocr
from docmill_ingest import spec
from docmill_ingest.content import Content
from docmill_ingest.context import caller
from docmill_ingest.models import PageBody, body
from docmill_ingest.query import DocumentPath, PagePath, PageThumbnailQuery, ThumbnailQuery
from docmill_ingest.reads import Reads

TAG: Final = Tag(name="Outputs")
TEXT: Final = "text/plain; charset=utf-8"
XHTML: Final = "application/xhtml+xml; charset=utf-8"
PROBLEMS: Final = (404, 409, 410, 416)
_SUFFIX: Final = {ArtifactKind.PDF: ".searchable.pdf"}


class Outputs:
    """Answers with artifacts and the original."""

    def __init__(self, reads: Reads, content: Content) -> None:
        self._reads = reads
        self._content = content

    def artifact(
        self, document: UUID, kind: ArtifactKind, page: int = 0, media_type: str | None = None
    ) -> Response:
        found, artifact = self._reads.artifact(caller().tenant.id, document, kind, page)
        suffix = _SUFFIX.get(kind)
        return self._content.answer(
            request,
            artifact.key,
            size=artifact.size,
            sha256=artifact.sha256,
            media_type=media_type or artifact.media_type,
            name=f"{found.name.removesuffix('.pdf')}{suffix}" if suffix else None,
        )

    def cover(self, document: UUID, kind: ArtifactKind) -> Response:
        asked = self._reads.document(caller().tenant.id, document).options.pages
        return self.artifact(document, kind, min(asked, default=1))

    def original(self, document: UUID) -> Response:
        found = self._reads.original(caller().tenant.id, document)
        return self._content.answer(
            request,
            found.key,
            size=found.size,
            sha256=found.sha256,
            # never the type the caller declared: a browser might run it
            media_type=found.media_type or "application/octet-stream",
            name=found.name,
        )


def output_routes(routes: APIBlueprint, outputs: Outputs) -> None:
    def serve(part: str, summary: str, kind: ArtifactKind, media_type: str) -> None:
        @routes.get(
            f"/documents/<uuid:document>/{part}",
            tags=[TAG],
            summary=summary,
            operation_id=part,
            endpoint=part,
            responses=spec.answers(spec.binary(media_type), *PROBLEMS),
        )
        def show(path: DocumentPath) -> Response:
            """Of the last settled run; ranges and If-None-Match are honoured."""
            return outputs.artifact(path.document, kind, media_type=media_type)

    serve("text", "The text, pages separated by form feeds", ArtifactKind.TEXT, TEXT)
    serve("words", "Words with boxes and confidences", ArtifactKind.WORDS, "application/json")
    serve("hocr", "The words as hOCR", ArtifactKind.HOCR, XHTML)
    serve("pdf", "The searchable PDF", ArtifactKind.PDF, "application/pdf")


def file_routes(routes: APIBlueprint, outputs: Outputs) -> None:
    @routes.get(
        "/documents/<uuid:document>/original",
        tags=[TAG],
        summary="The file as it was uploaded",
        operation_id="original",
        responses=spec.answers(spec.binary("application/octet-stream"), *PROBLEMS),
    )
    def original(path: DocumentPath) -> Response:
        """Byte for byte, as a download."""
        return outputs.original(path.document)

    @routes.get(
        "/documents/<uuid:document>/thumbnail",
        tags=[TAG],
        summary="A thumbnail of the first page that was read",
        operation_id="thumbnail",
        responses=spec.answers(spec.binary("image/webp"), *PROBLEMS),
    )
    def thumbnail(path: DocumentPath, query: ThumbnailQuery) -> Response:
        """WebP; never larger than the page."""
        return outputs.cover(path.document, query.size.kind)

    @routes.get(
        "/documents/<uuid:document>/pages/<int:page>/thumbnail",
        tags=[TAG],
        summary="A thumbnail of a page",
        operation_id="page_thumbnail",
        responses=spec.answers(spec.binary("image/webp"), *PROBLEMS),
    )
    def page_thumbnail(path: PagePath, query: PageThumbnailQuery) -> Response:
        """WebP; never larger than the page."""
        return outputs.artifact(path.document, query.size.kind, path.page)


def page_routes(routes: APIBlueprint, reads: Reads) -> None:
    @routes.get(
        "/documents/<uuid:document>/pages/<int:page>",
        tags=[TAG],
        summary="A page: text, words and geometry",
        operation_id="page",
        responses=spec.answers(PageBody, 404, 409, 410),
    )
    def page(path: PagePath) -> Response:
        """Boxes are in the page's unit, from its top left corner."""
        return jsonify(body(PageBody.of(reads.page(caller().tenant.id, path.document, path.page))))

    @routes.get(
        "/documents/<uuid:document>/pages/<int:page>/text",
        tags=[TAG],
        summary="A page's text",
        operation_id="page_text",
        responses=spec.answers(spec.binary(TEXT), 404, 409, 410),
    )
    def page_text(path: PagePath) -> Response:
        """A line per line, an empty line between paragraphs."""
        found = reads.page(caller().tenant.id, path.document, path.page)
        return Response(found.text, content_type=TEXT)


def format_routes(routes: APIBlueprint, reads: Reads) -> None:
    @routes.get(
        "/documents/<uuid:document>/alto",
        tags=[TAG],
        summary="The words as ALTO 4",
        operation_id="alto",
        responses=spec.answers(spec.binary(ALTO_TYPE), 404, 409, 410),
    )
    def document_alto(path: DocumentPath) -> Response:
        """One ALTO document with a Page for each page that was read, sent as it is written."""
        return _whole_alto(reads, reads.read_pages(caller().tenant.id, path.document))

    @routes.get(
        "/documents/<uuid:document>/pages/<int:page>/hocr",
        tags=[TAG],
        summary="A page as hOCR",
        operation_id="page_hocr",
        responses=spec.answers(spec.binary(XHTML), 404, 409, 410),
    )
    def page_hocr(path: PagePath) -> Response:
        """One valid hOCR document."""
        found = reads.page(caller().tenant.id, path.document, path.page)
        return Response(render_hocr([found]), content_type=XHTML)

    @routes.get(
        "/documents/<uuid:document>/pages/<int:page>/alto",
        tags=[TAG],
        summary="A page as ALTO 4",
        operation_id="page_alto",
        responses=spec.answers(spec.binary(ALTO_TYPE), 404, 409, 410),
    )
    def page_alto(path: PagePath) -> Response:
        """One ALTO document, in pixels, or 1/1200 inch where the page is in points."""
        found = reads.page(caller().tenant.id, path.document, path.page)
        return Response(alto(found), content_type=ALTO_TYPE)


def _whole_alto(reads: Reads, pages: Sequence[StoredPage]) -> Response:
    """Answer with one page after another; never more than one is in memory."""
    response = Response(content_type=ALTO_TYPE)
    tag = sha256(b"".join(page.sha256 for page in pages)).hexdigest()
    response.set_etag(tag, weak=True)  # another release may write the same words otherwise
    if request.if_none_match.contains_weak(tag):
        response.status_code = HTTPStatus.NOT_MODIFIED
        return response
    engines = list(dict.fromkeys(page.engine for page in pages))
    first = reads.stored(pages[0].key)  # before the headers leave, so that trouble is still told
    others = (reads.stored(page.key) for page in pages[1:])
    parts = alto_document(chain([first], others), first.unit, engines)
    response.response = (part.encode() for part in parts)
    return response
