"""Requests that gunicorn cannot parse: they never reach the app, yet get its kind of answer."""

import secrets
from http import HTTPStatus

from gunicorn.http.errors import LimitRequestHeaders, LimitRequestLine, ParseException

from docmill.domain.refusal import BadRequest, HeadersTooLarge, Refusal, RequestLineTooLong
from docmill.ops.logging import logger
from docmill_ingest.problem import MEDIA_TYPE, title, written

log = logger(__name__)


def answer(error: ParseException, address: str) -> bytes:
    """Log what came, and return the whole answer; the connection ends with it."""
    correlation = secrets.token_hex(8)
    refusal = _refusal(error)
    # its message may quote the request, and with it a secret
    log.warning(
        "request_unparsed", address=address, error=type(error).__name__, correlation=correlation
    )
    body = written(
        refusal.status,
        refusal.code,
        title(type(refusal)),
        remedy=refusal.remedy,
        correlation_id=correlation,
    ).encode()
    head = (
        f"HTTP/1.1 {refusal.status} {HTTPStatus(refusal.status).phrase}",
        "Connection: close",
        f"Content-Type: {MEDIA_TYPE}",
        f"Content-Length: {len(body)}",
        f"X-Correlation-ID: {correlation}",
    )
    return "\r\n".join((*head, "", "")).encode() + body


def _refusal(error: ParseException) -> Refusal:
    match error:
        case LimitRequestLine():
            return RequestLineTooLong()
        case LimitRequestHeaders():
            return HeadersTooLarge()
    return BadRequest()
