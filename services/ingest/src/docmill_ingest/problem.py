"""Errors become HTTP here, in one place: RFC 9457 problem+json with a stable `code`."""

import json
from collections.abc import Mapping
from typing import Final, cast

from flask import Flask, Response, g
from pydantic import ValidationError
from werkzeug.exceptions import HTTPException

from docmill.domain.errors import DatabaseBusy, DatabaseDown, Permanent, StoreDown, Transient
from docmill.domain.refusal import (
    BadRequest,
    InvalidOption,
    MethodNotAllowed,
    Refusal,
    RouteNotFound,
)
from docmill.ops.logging import logger
from docmill.ops.metrics import HTTP_UNFORESEEN

log = logger(__name__)
MEDIA_TYPE: Final = "application/problem+json"
RETRY_AFTER_SECONDS: Final = 5
_INTERNAL: Final = 500
_UNAVAILABLE: Final = 503
_TITLES: Final[Mapping[type[Transient], str]] = {
    DatabaseDown: "The service cannot reach its database.",
    DatabaseBusy: "The service's database has no time for this request now.",
    StoreDown: "The service cannot reach its object store.",
}


def problem(
    status: int, code: str, title: str, *, detail: str = "", remedy: str = "", **facts: object
) -> Response:
    """Make the answer to the request being served."""
    members = {"detail": detail, "remedy": remedy, "correlation_id": g.get("correlation", "")}
    return Response(
        written(status, code, title, **members, **facts), status, content_type=MEDIA_TYPE
    )


def written(status: int, code: str, title: str, **members: object) -> str:
    """Write a problem as JSON; empty members are left out."""
    known = {
        "type": f"urn:docmill:problem:{code}",
        "title": title,
        "status": status,
        "code": code,
        **members,
    }
    shown = {name: value for name, value in known.items() if value is not None and value != ""}
    return json.dumps(shown, default=str)


def explained(error: ValidationError) -> Refusal:
    """Turn pydantic's finding into our refusal, naming the first faulty option."""
    first = error.errors(include_url=False, include_context=False)[0]
    option = ".".join(str(part) for part in first["loc"]) or "request"
    message = "unknown option" if first["type"] == "extra_forbidden" else first["msg"]
    return InvalidOption(f"{option[:64]}: {message}", option=option[:64])


def from_validation(error: ValidationError) -> Response:
    """Answer a request whose path or query pydantic refused."""
    return refused(explained(error))


def title(kind: type[Exception]) -> str:
    """The first line of an error's contract, which is its title for people."""
    return (kind.__doc__ or kind.__name__).strip().splitlines()[0]


def refused(error: Permanent) -> Response:
    """Answer what no repetition can help."""
    facts = error.facts if isinstance(error, Refusal) else {}
    answer = problem(
        error.status,
        error.code,
        title(type(error)),
        detail=str(error),
        remedy=error.remedy,
        **facts,
    )
    if error.status == 401:  # noqa: PLR2004 - RFC 9110 asks for the header with this one
        answer.headers["WWW-Authenticate"] = 'Bearer realm="docmill"'
    return answer


def unavailable(error: Transient) -> Response:
    """Answer what may succeed later."""
    log.warning("request_failed_transient", code=error.code, error=str(error))
    answer = problem(
        _UNAVAILABLE,
        error.code,
        _TITLES.get(type(error), "The request may succeed later."),
        remedy="Repeat the request after the time in Retry-After.",
    )
    answer.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return answer


def foreign(error: HTTPException) -> Response:
    """Answer what Flask itself refuses."""
    if error.response is not None:  # a finished answer on its way out
        return _finished(error)
    kinds: dict[int | None, type[Refusal]] = {404: RouteNotFound, 405: MethodNotAllowed}
    answer = refused(kinds.get(error.code, BadRequest)(error.description or ""))
    for name, value in error.get_headers():
        if name == "Allow":
            answer.headers[name] = value
    return answer


def _finished(error: HTTPException) -> Response:
    return cast("Response", error.get_response())  # only our own answers travel by abort()


def unforeseen(error: Exception) -> Response:
    """Answer our own defect: logged with its stack, hidden from the caller."""
    log.error("request_failed_unforeseen", exc_info=error)
    HTTP_UNFORESEEN.inc()
    return internal()


def internal() -> Response:
    return problem(
        _INTERNAL,
        "internal_error",
        "The service failed; the operator can find it by the correlation id.",
        remedy="Repeat the request; tell the operator the correlation id if it happens again.",
    )


def install(app: Flask) -> None:
    """Make every error of the app a problem."""
    app.register_error_handler(Permanent, refused)
    app.register_error_handler(Transient, unavailable)
    app.register_error_handler(HTTPException, foreign)
    app.register_error_handler(Exception, unforeseen)
