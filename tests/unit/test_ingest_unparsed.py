import json

import pytest
from gunicorn.http.errors import (
    InvalidRequestLine,
    LimitRequestHeaders,
    LimitRequestLine,
    ParseException,
)
from structlog.testing import capture_logs

from docmill_ingest.unparsed import answer

SECRET = "Authorization: Bearer dm_secret"


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (LimitRequestLine(9000, 8190), 414, "request_line_too_long"),
        (LimitRequestHeaders("limit request headers fields size"), 431, "headers_too_large"),
        (InvalidRequestLine(SECRET), 400, "bad_request"),
    ],
)
def test_what_is_no_request_gets_an_answer_of_our_kind(
    error: ParseException, status: int, code: str
) -> None:
    head, _, body = answer(error, "127.0.0.1").decode().partition("\r\n\r\n")
    first, *lines = head.split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    assert first.startswith(f"HTTP/1.1 {status} ")
    assert headers["Content-Type"] == "application/problem+json"
    assert headers["Content-Length"] == str(len(body.encode()))
    assert headers["Connection"] == "close"
    problem = json.loads(body)
    assert (problem["status"], problem["code"]) == (status, code)
    assert problem["correlation_id"] == headers["X-Correlation-ID"]


def test_what_was_sent_is_not_repeated() -> None:
    with capture_logs() as lines:
        assert b"secret" not in answer(InvalidRequestLine(SECRET), "127.0.0.1")
    assert [line["event"] for line in lines] == ["request_unparsed"]
    assert "secret" not in str(lines)
