"""Deliver one event to one endpoint: signed, bounded, and only where webhooks may go."""

import json
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from ssl import SSLContext, create_default_context
from typing import Any, Final

import httpcore
from standardwebhooks.webhooks import EmptyWebhookSecretError, Webhook

from docmill.domain.errors import Permanent, Transient
from docmill.ops import metrics
from docmill.ops.logging import logger
from docmill.ports import Delivery
from docmill_notifier.address import Resolve, resolve
from docmill_notifier.error import (
    AddressForbidden,
    EndpointGone,
    EndpointRefused,
    EndpointUnreachable,
    SecretUnusable,
)
from docmill_notifier.network import Guarded
from docmill_notifier.settings import WebhookSettings

log = logger(__name__)

GONE: Final = 410
ANSWER_BYTES: Final = 16 * 1024  # read so that a short answer can end well; the rest is dropped


class Deliver:
    """Posts a delivery to its endpoint and returns facts of the answer.

    Raises EndpointUnreachable or EndpointRefused when a later try may succeed, EndpointGone,
    AddressForbidden or SecretUnusable when none can. Twice is safe: the receiver knows a delivery
    by `webhook-id`, which is the same in every try. Any number of threads may call it.
    """

    def __init__(
        self,
        settings: WebhookSettings,
        *,
        resolve: Resolve = resolve,
        tls: SSLContext | None = None,
    ) -> None:
        total = settings.webhook_timeout_seconds.total_seconds()
        self._schemes = (b"https", b"http") if settings.webhook_allow_http else (b"https",)
        self._timeout = {
            "connect": settings.webhook_connect_timeout_seconds.total_seconds(),
            "read": total,
            "write": total,
            "pool": total,
        }
        private = settings.webhook_allow_private
        self._pool = httpcore.ConnectionPool(
            ssl_context=tls or create_default_context(),
            max_connections=None,
            max_keepalive_connections=0,  # the next request must check its address again
            network_backend=Guarded(total=total, private=private, resolve=resolve),
        )

    def __call__(self, delivery: Delivery) -> Mapping[str, Any]:
        """Deliver once; the ledger tries again."""
        began = time.monotonic()
        try:
            status = self._post(delivery)
            _judge(status)
        except (Permanent, Transient) as error:
            _count(_RESULTS[type(error)], began)
            log.info("webhook_failed", delivery=delivery.id, code=error.code, detail=str(error))
            raise
        _count("delivered", began)
        log.info("webhook_delivered", delivery=delivery.id, status=status)
        return {"status": status, "seconds": round(time.monotonic() - began, 3)}

    def close(self) -> None:
        """Close what is open. Twice is safe."""
        self._pool.close()

    def _post(self, delivery: Delivery) -> int:
        url = _parsed(delivery.url, self._schemes)
        body = _body(delivery)
        request = httpcore.Request(
            "POST",
            url,
            headers=[(b"Host", _host(url)), *_headers(delivery, body)],
            content=body,
            extensions={"timeout": self._timeout},
        )
        try:
            return _status(self._pool.handle_request(request))
        except (
            httpcore.TimeoutException,
            httpcore.NetworkError,
            httpcore.ProtocolError,
        ) as error:
            raise EndpointUnreachable(f"{type(error).__name__}: {error}"[:200]) from error


_RESULTS: Final = {
    EndpointUnreachable: "failed",
    EndpointRefused: "refused",
    EndpointGone: "gone",
    AddressForbidden: "blocked",
    SecretUnusable: "blocked",
}


def _count(result: str, began: float) -> None:
    metrics.WEBHOOKS.labels(result).inc()
    metrics.WEBHOOK_SECONDS.observe(time.monotonic() - began)


def _judge(status: int) -> None:
    if status == GONE:
        raise EndpointGone("the endpoint answered 410")
    if status // 100 != 2:  # noqa: PLR2004 - a redirect too: it would lead past the address check
        raise EndpointRefused(f"the endpoint answered {status}")


def _status(response: httpcore.Response) -> int:
    try:
        left = ANSWER_BYTES
        for chunk in response.iter_stream():
            left -= len(chunk)
            if left < 0:
                break
        return response.status
    finally:
        response.close()


def _parsed(text: str, schemes: tuple[bytes, ...]) -> httpcore.URL:
    try:
        url = httpcore.URL(text)
    except (ValueError, TypeError) as error:  # a host in Unicode is a TypeError to httpcore
        raise AddressForbidden("the URL is malformed") from error
    if url.scheme not in schemes or not url.host or b"@" in url.host:
        raise AddressForbidden("the URL's scheme or host is not allowed")
    return url


def _host(url: httpcore.URL) -> bytes:
    default = {b"https": 443, b"http": 80}[url.scheme]
    host = b"[%b]" % url.host if b":" in url.host else url.host
    return host if url.port in {None, default} else b"%b:%d" % (host, url.port)


def _body(delivery: Delivery) -> bytes:
    event = {
        "type": delivery.kind,
        "timestamp": delivery.at.astimezone(UTC).isoformat(),
        "data": dict(delivery.payload),
    }
    return json.dumps(event, separators=(",", ":"), default=str).encode()


def _headers(delivery: Delivery, body: bytes) -> Sequence[tuple[str, str]]:
    identity, now = f"dlv_{delivery.id}", datetime.now(UTC)
    headers = {
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        "User-Agent": "docmill-notifier",
        "Connection": "close",
        "webhook-id": identity,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": _signed(delivery.secret, identity, now, body),
        "X-Correlation-ID": str(delivery.payload.get("correlation_id") or ""),
    }
    return [(name, value) for name, value in headers.items() if value]


def _signed(secret: str, identity: str, at: datetime, body: bytes) -> str:
    try:
        return Webhook(secret).sign(identity, at, body.decode())
    except (ValueError, EmptyWebhookSecretError) as error:
        raise SecretUnusable("the endpoint's secret is not base64") from error
