"""Around every request: ids, the credential, one log line, its metrics, safe headers."""

import re
import secrets
import time
from typing import Final

from flask import Flask, Request, Response, g, request

from docmill.adapters.postgres.tenants import Credential
from docmill.domain.tenant import Scope
from docmill.ops.logging import bind, logger, unbind
from docmill.ops.metrics import (
    HTTP_REQUESTS,
    HTTP_SECONDS,
    HTTP_WAIT_SECONDS,
    UPLOADS_REFUSED,
)
from docmill_ingest.auth import Authenticate

log = logger(__name__)
CLOSE: Final = "docmill.close"  # in the WSGI environment: hang up after this answer
PROTECTED: Final = "/v1/"
OPERATED: Final = frozenset({"v1.hold", "v1.release"})  # endpoints of the scope `operator`
METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_CORRELATION: Final = re.compile(r"[A-Za-z0-9._:/@+=-]{1,128}")
_LENIENT_STATUS: Final = 400


def install(app: Flask, authenticate: Authenticate, client_timeout: float) -> None:
    """Wrap every request of the app."""

    def begin() -> None:
        g.begun = time.monotonic()
        g.request_id = secrets.token_hex(8)
        g.correlation = correlation(request) or g.request_id
        unbind()
        bind(request=g.request_id, correlation=g.correlation)
        _limit_patience(request, client_timeout)
        if request.path.startswith(PROTECTED):
            g.credential = _authenticated(authenticate)

    app.before_request(begin)
    app.after_request(end)


def caller() -> Credential:
    """The credential of the request being served."""
    credential: Credential = g.credential
    return credential


def waiting() -> None:
    """Note that the caller asked to wait: its time says little of ours."""
    g.waited = True


def correlation(asked: Request) -> str | None:
    """The caller's X-Correlation-ID; None when there is none, or none fit to be kept."""
    given = asked.headers.get("X-Correlation-ID", "")
    return given if _CORRELATION.fullmatch(given) else None


def key_text(asked: Request) -> str | None:
    """The API key, from either header."""
    scheme, _, token = asked.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return token.strip()
    return asked.headers.get("X-API-Key")


def _authenticated(authenticate: Authenticate) -> Credential:
    address = request.remote_addr or ""
    credential = authenticate(key_text(request), address=address)
    bind(tenant=credential.tenant.id, api_key=credential.key.id)
    scope = Scope.OPERATOR if request.endpoint in OPERATED else Scope.DOCUMENTS
    authenticate.require(credential, scope, address=address)
    return credential


def _limit_patience(asked: Request, seconds: float) -> None:
    # gunicorn's threads (27.0) set no time-out: a stalled caller would keep one for ever
    connection = asked.environ.get("gunicorn.socket")
    if connection is not None:
        connection.settimeout(seconds)


def end(response: Response) -> Response:
    """Add the headers every answer carries, count it and log it."""
    response.headers["X-Request-ID"] = g.get("request_id", "")
    response.headers["X-Correlation-ID"] = g.get("correlation", "")
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers.setdefault("Cache-Control", "private, no-cache")
    request.environ[CLOSE] = _unread(request)
    _count(response)
    return response


def _unread(asked: Request) -> bool:
    """Whether the caller may still be sending: the next request's start is then unknown."""
    if "body" in g:
        return bool(g.body.unread)
    return bool(asked.content_length) or "chunked" in asked.headers.get("Transfer-Encoding", "")


def _count(response: Response) -> None:
    took = time.monotonic() - g.get("begun", time.monotonic())
    route = request.url_rule.rule if request.url_rule else "other"
    method = request.method if request.method in METHODS else "other"
    if "waited" in g:
        HTTP_WAIT_SECONDS.observe(took)
    else:
        HTTP_SECONDS.labels(method=method, route=route).observe(took)
    HTTP_REQUESTS.labels(method=method, route=route, status=str(response.status_code)).inc()
    code = _code(response)
    if code and request.endpoint and request.endpoint.endswith("upload"):
        UPLOADS_REFUSED.labels(code=code).inc()
    log.info(
        "request",
        method=method,
        path=request.path,
        status=response.status_code,
        seconds=round(took, 4),
        **({"code": code} if code else {}),
    )


def _code(response: Response) -> str | None:
    if response.status_code < _LENIENT_STATUS or not response.is_json:
        return None
    body = response.get_json(silent=True)
    return body.get("code") if isinstance(body, dict) else None
