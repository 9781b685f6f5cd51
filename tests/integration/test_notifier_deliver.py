import json
import socket
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from ipaddress import ip_address
from typing import Any
from uuid import UUID

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from docmill.domain.errors import Permanent, Transient
from docmill.domain.task import Pool
from docmill.ports import Delivery, Product
from docmill_notifier.deliver import Deliver
from docmill_notifier.error import (
    AddressForbidden,
    EndpointGone,
    EndpointRefused,
    EndpointUnreachable,
    SecretUnusable,
)
from docmill_notifier.settings import WebhookSettings
from tests.stack.ledger import TENANT, desk, product
from tests.stack.receiver import answering, receiving

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def delivery(url: str, **changes: Any) -> Delivery:
    values: dict[str, Any] = {
        "id": 42,
        "url": url,
        "secret": SECRET,
        "kind": "document.ready",
        "document": UUID(int=7),
        "at": datetime(2026, 3, 1, tzinfo=UTC),
        "payload": {"document": str(UUID(int=7)), "state": "ready", "correlation_id": "c-1"},
    }
    return Delivery(**values | changes)


def settings(**changes: Any) -> WebhookSettings:
    values = {"webhook_allow_http": True, "webhook_allow_private": True}
    return WebhookSettings.model_validate(values | changes)


@pytest.fixture
def deliver() -> Iterator[Deliver]:
    made = Deliver(settings(webhook_timeout_seconds=5))
    yield made
    made.close()


def test_a_delivery_is_signed_so_that_the_standard_library_verifies_it(deliver: Deliver) -> None:
    with receiving(answering(204)) as receiver:
        facts = deliver(delivery(f"http://127.0.0.1:{receiver.port}/hook?a=b"))
    assert facts["status"] == 204
    ((headers, body),) = receiver.got
    told = Webhook(SECRET).verify(body, headers)
    assert told["type"] == "document.ready"
    assert told["data"]["state"] == "ready"
    assert headers["x-correlation-id"] == "c-1"
    assert headers["content-type"] == "application/json"
    assert headers["host"] == f"127.0.0.1:{receiver.port}"
    assert receiver.paths == ["/hook?a=b"]
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(body.replace(b"ready", b"faked"), headers)


def test_every_try_of_a_delivery_has_the_same_id(deliver: Deliver) -> None:
    with receiving(answering(200, b"thanks")) as receiver:
        for _ in range(2):
            deliver(delivery(f"http://127.0.0.1:{receiver.port}/"))
    assert {headers["webhook-id"] for headers, _ in receiver.got} == {"dlv_42"}


@pytest.mark.parametrize("status", [300, 400, 404, 429, 500, 503])
def test_any_answer_but_success_is_tried_again(deliver: Deliver, status: int) -> None:
    with (
        receiving(answering(status)) as receiver,
        pytest.raises(EndpointRefused, match=str(status)) as raised,
    ):
        deliver(delivery(f"http://127.0.0.1:{receiver.port}/"))
    assert isinstance(raised.value, Transient)


def test_gone_is_for_good(deliver: Deliver) -> None:
    with receiving(answering(410)) as receiver, pytest.raises(EndpointGone) as raised:
        deliver(delivery(f"http://127.0.0.1:{receiver.port}/"))
    assert isinstance(raised.value, Permanent)


def test_a_redirect_is_not_followed(deliver: Deliver) -> None:
    with (
        receiving(answering(200)) as target,
        receiving(answering(307, Location=f"http://127.0.0.1:{target.port}/")) as receiver,
        pytest.raises(EndpointRefused, match="307"),
    ):
        deliver(delivery(f"http://127.0.0.1:{receiver.port}/"))
    assert target.got == []


def test_a_private_address_is_refused_before_anything_is_sent() -> None:
    deliver = Deliver(settings(webhook_allow_private=False))
    with receiving(answering(200)) as receiver, pytest.raises(AddressForbidden):
        deliver(delivery(f"http://127.0.0.1:{receiver.port}/"))
    assert receiver.got == []


def test_the_address_checked_is_the_address_connected_to() -> None:
    answers = iter(["127.0.0.1", "192.168.255.255"])  # a name that changes between two looks
    asked = []

    def resolve(host: str, port: int) -> list[Any]:
        asked.append((host, port))
        return [ip_address(next(answers))]

    deliver = Deliver(settings(), resolve=resolve)
    with receiving(answering(200)) as receiver:
        deliver(delivery(f"http://receiver.example:{receiver.port}/"))
    assert asked == [("receiver.example", receiver.port)]
    assert receiver.got[0][0]["host"] == f"receiver.example:{receiver.port}"


URLS = ["http://example.org/", "ftp://example.org/", "https:///path", "nonsense", "https://ü.de/"]


@pytest.mark.parametrize("url", URLS)
def test_only_https_urls_are_delivered_to_by_default(url: str) -> None:
    deliver = Deliver(settings(webhook_allow_http=False))
    with pytest.raises(AddressForbidden):
        deliver(delivery(url))


def test_a_closed_port_is_tried_again_later(deliver: Deliver) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        with pytest.raises(EndpointUnreachable):
            deliver(delivery(f"http://127.0.0.1:{port}/"))


def test_an_unknown_name_is_tried_again_later(deliver: Deliver) -> None:
    with pytest.raises(EndpointUnreachable, match="does not resolve"):
        deliver(delivery("http://nowhere.invalid/"))


def test_a_broken_answer_is_tried_again_later(deliver: Deliver) -> None:
    def answer(request: BaseHTTPRequestHandler) -> None:
        request.wfile.write(b"SSH-2.0-OpenSSH\r\n")

    with receiving(answer) as receiver, pytest.raises(EndpointUnreachable):
        deliver(delivery(f"http://127.0.0.1:{receiver.port}/"))


def test_an_endpoint_that_drips_bytes_does_not_hold_us() -> None:
    gone = threading.Event()

    def drip(request: BaseHTTPRequestHandler) -> None:
        try:
            for letter in b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 1000:
                request.wfile.write(bytes([letter]))
                gone.wait(0.05)
        except OSError:
            gone.set()

    deliver = Deliver(settings(webhook_timeout_seconds=0.5))
    began = time.monotonic()
    with receiving(drip) as receiver, pytest.raises(EndpointUnreachable):
        deliver(delivery(f"http://127.0.0.1:{receiver.port}/"))
    assert time.monotonic() - began < 5


def test_an_endless_answer_is_cut_off(deliver: Deliver) -> None:
    sent = 0

    def flood(request: BaseHTTPRequestHandler) -> None:
        nonlocal sent
        request.send_response(200)
        request.send_header("Content-Length", str(10**12))
        request.end_headers()
        try:
            while sent < 10**9:
                sent += request.wfile.write(bytes(65536))
        except OSError:
            pass

    with receiving(flood) as receiver:
        assert deliver(delivery(f"http://127.0.0.1:{receiver.port}/"))["status"] == 200
    assert sent < 10**8


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_a"])
def test_a_secret_that_cannot_sign_is_for_good(deliver: Deliver, secret: str) -> None:
    with pytest.raises(SecretUnusable):
        deliver(delivery("http://127.0.0.1:1/", secret=secret))


def test_a_settled_documents_event_reaches_its_endpoint_once(
    database_url: str, deliver: Deliver
) -> None:
    with desk(database_url) as ledger, receiving(answering(204)) as receiver:
        ledger.do(
            "INSERT INTO endpoint (tenant_id, url, secret)"
            " VALUES (%(tenant)s, %(url)s, %(secret)s)",
            {"tenant": TENANT, "url": f"http://127.0.0.1:{receiver.port}/", "secret": SECRET},
        )
        document = ledger.accept().document
        while claims := ledger.claims(Pool.VALIDATOR, Pool.OCR, Pool.THUMBNAILER):
            for claim in claims:
                ledger.ledger.commit(claim, product(claim))
        (notify,) = ledger.claims(Pool.NOTIFIER)
        facts = deliver(ledger.ledger.delivery(notify))
        ledger.ledger.commit(notify, Product(artifacts=(), engine="", facts=facts))
        (delivered,) = ledger.do("SELECT delivered_at FROM delivery")
    ((headers, body),) = receiver.got
    told = Webhook(SECRET).verify(body, headers)
    assert (told["type"], told["data"]["document"]) == ("document.ready", str(document))
    assert headers["x-correlation-id"] == "test"
    assert delivered["delivered_at"] is not None


def test_the_settings_are_durations_in_seconds() -> None:
    assert settings(webhook_timeout_seconds="2.5").webhook_timeout_seconds == timedelta(seconds=2.5)


def test_the_body_is_compact_json(deliver: Deliver) -> None:
    with receiving(answering(200)) as receiver:
        deliver(delivery(f"http://127.0.0.1:{receiver.port}/"))
    body = receiver.got[0][1]
    assert json.dumps(json.loads(body), separators=(",", ":")).encode() == body
