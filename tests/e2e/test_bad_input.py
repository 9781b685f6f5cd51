"""Bad input of every kind gets its own clear answer, loses nothing and harms no worker."""

import socket
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
import pytest

from deploy.local.stack import Stack
from docmill.testing.documents import (
    blank_page,
    blank_pdf,
    bomb_pdf,
    bomb_png,
    born_digital_pdf,
    encrypted_pdf,
    page_jpeg,
    page_png,
    tiff,
    truncated,
)
from tests.stack.flow import Caller, Inspector, caller

pytestmark = pytest.mark.slow

PROGRAM: Final = b"MZ\x90\x00" + bytes(2000)
LONGEST_LINE: Final = 4000  # of a request, less what quoting adds
TOO_LARGE: Final = 10 * 2**20 + 1
ENDINGS: Final = {
    "half a JPEG": (truncated(page_jpeg()), "corrupt_file"),
    "half a PNG": (truncated(page_png()), "corrupt_file"),
    "half a TIFF": (truncated(tiff(2)), "corrupt_file"),
    "the head of a PDF": (truncated(born_digital_pdf(), 0.1), "corrupt_file"),
    "a program": (PROGRAM, "unsupported_type"),
    "plain text": (b"just some words\n" * 20, "unsupported_type"),
    "a web page": (b"<!DOCTYPE html><script>alert(1)</script>", "unsupported_type"),
    "one byte": (b"%", "unsupported_type"),
    "a locked PDF": (encrypted_pdf(), "encrypted_pdf"),
    "ten billion pixels": (bomb_png(), "too_many_pixels"),
    "ten billion pixels in a PDF": (bomb_pdf(), "too_many_pixels"),
    "101 pages": (blank_pdf(101), "too_many_pages"),
}
REFUSED: Final = {
    "no bytes": ({}, b"", 422, "empty_file"),
    "an unknown language": ({"languages": "eng,tlh"}, b"x", 422, "unknown_language"),
    "a path as language": ({"languages": "../../etc/passwd"}, b"x", 422, "invalid_option"),
    "broken JSON": ({"metadata": "{"}, b"x", 422, "bad_metadata"),
    "a JSON list": ({"metadata": "[1]"}, b"x", 422, "bad_metadata"),
    "a number that is none": ({"metadata": '{"a": NaN}'}, b"x", 422, "bad_metadata"),
    "JSON of any depth": ({"metadata": "[" * 8000}, b"x", 422, "bad_metadata"),
    "much metadata": ({"metadata": f'{{"a": "{"x" * 17000}"}}'}, b"x", 422, "bad_metadata"),
    "an unknown option": ({"langauges": "eng"}, b"x", 422, "invalid_option"),
    "an unknown output": ({"outputs": "docx"}, b"x", 422, "invalid_option"),
    "pages that are none": ({"pages": "0-3"}, b"x", 422, "invalid_option"),
    "all pages there are": ({"pages": "1-999999"}, b"x", 422, "invalid_option"),
    "a long retention": ({"retention_seconds": "90000"}, b"x", 422, "retention_too_long"),
}  # fmt: skip
NAMES: Final = {
    "../../../etc/passwd": "passwd",
    "..\\..\\windows\\system32\\evil.png": "evil.png",
    "/etc/shadow": "shadow",
    "..": "document",
    "a\u202egnp.exe": "agnp.exe",
    'quo"te\r\nX-Evil: 1.png': 'quo"teX-Evil: 1.png',
    "ü" * 400 + ".png": "ü" * 251 + ".png",
}


def workers(stack: Stack, inspect: Inspector) -> object:
    """Give who works, by every mark that a restart would change."""
    rows = inspect.rows("SELECT id FROM worker WHERE seen > now() - interval '30 s' ORDER BY id")
    return rows, {name: service.process.pid for name, service in stack.services.items()}


@pytest.fixture(autouse=True)
def unharmed(stack: Stack, inspect: Inspector) -> Iterator[None]:
    """After every test the very same workers are there."""
    before = workers(stack, inspect)
    yield
    assert workers(stack, inspect) == before


def problem(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """Check an error's form and return it."""
    assert answer.headers["Content-Type"] == "application/problem+json"
    told: dict[str, Any] = answer.json()
    assert (answer.status_code, told["status"], told["code"]) == (status, status, code)
    assert all(told[part] for part in ("type", "title", "remedy", "correlation_id"))
    return told


def documents(client: Caller) -> list[str]:
    """The documents there are; how those of other tests fare meanwhile is not looked at."""
    return [each["id"] for each in client.http.get("/v1/documents?limit=100").json()["items"]]


# ── what shows when the file is looked into ──────────────────────────────────────────────────────
def test_each_bad_file_is_rejected_for_its_own_reason_and_a_good_one_is_read(
    client: Caller, inspect: Inspector
) -> None:
    sent = {
        name: client.upload(body, f"{name}.pdf") for name, (body, _) in ENDINGS.items()
    } | {"good": client.upload(page_png(), "good.png")}  # fmt: skip
    ended = dict(zip(sent, client.ended(list(sent.values())), strict=True))
    good = ended.pop("good")
    codes = {name: each["failure"] and each["failure"]["code"] for name, each in ended.items()}
    assert codes == {name: code for name, (_, code) in ENDINGS.items()}
    assert {each["state"] for each in ended.values()} == {"rejected"}
    assert [name for name, each in ended.items() if not each["failure"]["remedy"]] == []
    assert (good["state"], good["pages"]["failed"]) == ("ready", 0)
    tried_once = [document for name, document in sent.items() if name != "good"]
    assert inspect.count(
        "SELECT count(*) FROM task JOIN attempt ON attempt.task_id = task.id"
        f" WHERE document_id = ANY(ARRAY{tried_once}::uuid[])"
    ) == len(tried_once), "a rejection is never tried again"


def test_the_declared_type_is_not_believed(client: Caller) -> None:
    headers = {"Content-Type": "text/html"}
    answer = client.http.post("/v1/documents", content=blank_page(), headers=headers)
    document = client.ended([answer.json()["id"]])[0]
    assert (document["state"], document["declared_type"]) == ("ready", "text/html")
    assert document["media_type"] == "image/png"
    assert client.part(document["id"], "original").headers["Content-Type"] == "image/png"


# ── what shows at once ───────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("name", REFUSED)
def test_a_bad_request_is_refused_and_nothing_is_kept(client: Caller, name: str) -> None:
    options, body, status, code = REFUSED[name]
    before = documents(client)
    if len(str(options)) < LONGEST_LINE:
        problem(client.http.post("/v1/documents", params=options, content=body), status, code)
    form = {"file": ("a.png", body)}
    problem(client.http.post("/v1/documents", files=form, data=options), status, code)
    assert documents(client) == before


@pytest.mark.parametrize("announced", [True, False], ids=["announced", "not announced"])
def test_a_file_over_the_limit_is_refused(client: Caller, announced: bool) -> None:
    def chunks() -> Iterator[bytes]:
        for at in range(0, TOO_LARGE, 2**16):
            yield bytes(min(2**16, TOO_LARGE - at))

    body = bytes(TOO_LARGE) if announced else chunks()
    answer = client.http.post("/v1/documents", content=body, headers={"Connection": "close"})
    told = problem(answer, 413, "file_too_large")
    assert told["max_file_bytes"] == TOO_LARGE - 1


def test_a_body_that_breaks_off_is_refused(stack: Stack, client: Caller) -> None:
    address = urlsplit(stack.api)
    head = (
        "POST /v1/documents HTTP/1.1\r\nHost: docmill\r\nContent-Length: 5000\r\n"
        f"Authorization: {client.http.headers['Authorization']}\r\nConnection: close\r\n\r\n"
    )
    before = documents(client)
    with socket.create_connection((str(address.hostname), int(address.port or 80)), 20) as line:
        line.sendall(head.encode() + b"%PDF-1.7 and no more")
        line.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: line.recv(4096), b""))
    assert answer.startswith(b"HTTP/1.1 400")
    assert b'"incomplete_upload"' in answer
    assert documents(client) == before


def test_a_form_without_a_file_is_refused(client: Caller) -> None:
    problem(client.http.post("/v1/documents", files={"datei": b"x"}), 400, "bad_form")
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    torn = client.http.post("/v1/documents", content=b"--x\r\nContent-Dis", headers=headers)
    problem(torn, 400, "bad_form")


@pytest.mark.parametrize("given", NAMES)
def test_a_name_is_only_a_name(client: Caller, inspect: Inspector, given: str) -> None:
    document = client.http.post("/v1/documents", params={"name": given}, content=blank_page())
    shown = client.ended([document.json()["id"]])[0]
    assert (shown["state"], shown["name"]) == ("ready", NAMES[given])
    original = client.part(shown["id"], "original")
    assert "X-Evil" not in original.headers
    row = inspect.rows(f"SELECT tenant_id, key FROM document WHERE id = '{shown['id']}'")[0]
    assert row["key"] == f"{row['tenant_id']}/{shown['id']}/original"


def test_what_is_no_request_is_answered_in_the_same_form(stack: Stack, client: Caller) -> None:
    answer = client.http.post("/v1/documents", params={"metadata": "x" * 9000}, content=b"x")
    problem(answer, 414, "request_line_too_long")
    answer = client.http.get("/v1/documents", headers={"X-Long": "x" * 9000})
    problem(answer, 431, "headers_too_large")
    address = urlsplit(stack.api)
    with socket.create_connection((str(address.hostname), int(address.port or 80)), 20) as line:
        line.sendall(b"\x16\x03\x01 hello\r\n\r\n")
        told = b"".join(iter(lambda: line.recv(4096), b""))
    assert told.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert b'"code": "bad_request"' in told


# ── who asks ─────────────────────────────────────────────────────────────────────────────────────
def test_a_key_is_needed_and_only_the_right_one_opens(stack: Stack, client: Caller) -> None:
    right = client.http.headers["Authorization"].removeprefix("Bearer ")
    wrong = right[:-8] + "AAAAAAA" + right[-1]
    with httpx.Client(base_url=stack.api) as nobody:
        for method, path in (("POST", "/v1/documents"), ("GET", "/v1/documents"), ("GET", "/v1/x")):
            problem(nobody.request(method, path), 401, "missing_key")
        for key in (wrong, "dm_000000000000_" + "x" * 43, "hunter2", "ü"):
            headers = [(b"Authorization", f"Bearer {key}".encode())]
            problem(nobody.get("/v1/documents", headers=headers), 401, "invalid_key")


def test_another_tenants_document_does_not_exist(stack: Stack, client: Caller) -> None:
    document = client.upload(blank_page(), "mine.png")
    client.ended([document])
    with caller(stack, stack.make_tenant("stranger")) as stranger:
        path = f"/v1/documents/{document}"
        for part in ("", "/text", "/original", "/events", "/pages", "/pages/1", "/thumbnail"):
            problem(stranger.http.get(path + part), 404, "document_not_found")
        for part in ("/cancel", "/retry"):
            problem(stranger.http.post(path + part), 404, "document_not_found")
        problem(stranger.http.delete(path), 404, "document_not_found")
        assert documents(stranger) == []
    assert client.get(document)["state"] == "ready"


def test_what_is_not_there_says_so(client: Caller) -> None:
    problem(client.http.get(f"/v1/documents/{uuid4()}"), 404, "document_not_found")
    problem(client.http.get("/v1/documents/no-uuid"), 404, "route_not_found")
    problem(client.http.put("/v1/documents"), 405, "method_not_allowed")
    ready = client.upload(blank_page(), "ready.png")
    client.ended([ready])
    problem(client.http.get(f"/v1/documents/{ready}/pages/2"), 404, "page_not_found")
    problem(client.http.post(f"/v1/documents/{ready}/cancel"), 409, "not_cancellable")
    problem(client.http.get("/v1/documents?cursor=AAAA"), 422, "invalid_cursor")
