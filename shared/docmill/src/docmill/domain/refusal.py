"""Why a request is refused: stable codes, remedies and HTTP statuses, in one table of classes."""

from docmill.domain.errors import Permanent


class Refusal(Permanent):
    """The request is the reason; it is answered at once and nothing of it is kept.

    `facts` are further fields of the answer, for programs.
    """

    def __init__(self, detail: str = "", **facts: object) -> None:
        super().__init__(detail)
        self.facts = facts


class MissingKey(Refusal):
    """The request carries no API key."""

    code = "missing_key"
    remedy = "Send the key as `Authorization: Bearer <key>`."
    status = 401


class InvalidKey(Refusal):
    """The API key is unknown, expired or revoked."""

    code = "invalid_key"
    remedy = "Check the key, or ask the operator for a new one."
    status = 401


class ScopeMissing(Refusal):
    """The API key does not allow this."""

    code = "scope_missing"
    remedy = "Use a key whose scope allows it."
    status = 403


class RouteNotFound(Refusal):
    """There is nothing at this path."""

    code = "route_not_found"
    remedy = "See /openapi.json for every path."
    status = 404


class MethodNotAllowed(Refusal):
    """The path exists, but not with this method."""

    code = "method_not_allowed"
    remedy = "Use one of the methods in the Allow header."
    status = 405


class BadRequest(Refusal):
    """The request cannot be understood."""

    code = "bad_request"
    remedy = "Check the request against /openapi.json."
    status = 400


class RequestLineTooLong(Refusal):
    """The path with its query is longer than the first line of a request may be."""

    code = "request_line_too_long"
    remedy = "Send long options as fields of a multipart form."
    status = 414


class HeadersTooLarge(Refusal):
    """The headers of the request are too many or too long."""

    code = "headers_too_large"
    remedy = "Send fewer or shorter headers."
    status = 431


class IncompleteUpload(Refusal):
    """The body ended before its announced length, or stalled; nothing was kept."""

    code = "incomplete_upload"
    remedy = "Send the file again, with the same Idempotency-Key if you use one."
    status = 400


class BadForm(Refusal):
    """The multipart form is malformed."""

    code = "bad_form"
    remedy = "Send multipart/form-data with one part `file`; options are small text fields."
    status = 400


class BadMetadata(Refusal):
    """The metadata is not a JSON object, or too large."""

    code = "bad_metadata"
    remedy = "Send a JSON object of at most 16 KiB."


class InvalidOption(Refusal):
    """An option is unknown or its value is not allowed."""

    code = "invalid_option"
    remedy = "Check the option against /openapi.json."


class InvalidCursor(Refusal):
    """The cursor was not given out by this list."""

    code = "invalid_cursor"
    remedy = "Start without a cursor and use `next_cursor` as it is."


class RetentionTooLong(Refusal):
    """The document asks to be kept longer than the plan allows."""

    code = "retention_too_long"
    remedy = "Ask for at most the plan's retention, or leave it out."


class FileTooLarge(Refusal):
    """The file is larger than the tenant may upload."""

    code = "file_too_large"
    remedy = "Split or compress the file, or ask for a larger limit."
    status = 413


class StorageQuotaExceeded(Refusal):
    """The tenant's storage is full."""

    code = "storage_quota_exceeded"
    remedy = "Erase documents, let them expire, or ask for more storage."


class IdempotencyKeyReused(Refusal):
    """The Idempotency-Key was used before with another file or other options."""

    code = "idempotency_key_reused"
    remedy = "Use a new key for a new request."


class DocumentNotFound(Refusal):
    """The tenant has no such document."""

    code = "document_not_found"
    remedy = "Check the id and the key's tenant."
    status = 404


class DocumentHeld(Refusal):
    """A legal hold keeps the document from being erased."""

    code = "document_held"
    remedy = "Ask the operator to release the hold; `held_reason` tells why it is there."
    status = 409


class BatchNotFound(Refusal):
    """The tenant has no such batch."""

    code = "batch_not_found"
    remedy = "Check the id and the key's tenant."
    status = 404


class BatchClosed(Refusal):
    """The batch is closed and takes no more documents."""

    code = "batch_closed"
    remedy = "Open another batch, or upload without one."
    status = 409


class BatchCancelled(Refusal):
    """The batch was cancelled and takes no more documents."""

    code = "batch_cancelled"
    remedy = "Open another batch, or upload without one."
    status = 409


class PageNotFound(Refusal):
    """The document has no such page, or it was not asked for."""

    code = "page_not_found"
    remedy = "Ask for a page between 1 and the document's `pages`."
    status = 404


class OutputNotMade(Refusal):
    """The output was not asked for, or could not be made."""

    code = "output_not_made"
    remedy = "Upload with this output among `outputs`, or look at the document's events."
    status = 404


class DocumentExpired(Refusal):
    """The document's retention has ended; its content is gone."""

    code = "document_expired"
    remedy = "Upload the file again."
    status = 410


class NotReady(Refusal):
    """The document has no result yet, or ended without one."""

    code = "not_ready"
    remedy = "Wait with `GET /v1/documents/{id}?wait=30` and look at `state`."
    status = 409


class NotCancellable(Refusal):
    """The document is not being worked on any more."""

    code = "not_cancellable"
    remedy = "Only `received` and `processing` documents can be cancelled."
    status = 409


class NotRetryable(Refusal):
    """The document cannot be run again from its state."""

    code = "not_retryable"
    remedy = "Only `ready`, `failed` and `cancelled` documents can be retried."
    status = 409


class RangeNotSatisfiable(Refusal):
    """The range lies outside the content."""

    code = "range_not_satisfiable"
    remedy = "Ask for a range within the size in Content-Range."
    status = 416
