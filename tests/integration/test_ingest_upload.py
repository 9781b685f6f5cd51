import hashlib
import io
import json
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from werkzeug.test import TestResponse

from docmill.ops.settings import StoreSettings
from tests.stack.api import PDF, Api, Caller, api, identity

FORM = "multipart/form-data; boundary=b"
FILE_PART = b'--b\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\n'
KEY = {"Idempotency-Key": "once"}


def form(caller: Caller, *parts: tuple[str, Any], **query: str) -> TestResponse:
    data: dict[str, Any] = dict(parts)
    return caller.client.post(
        "/v1/documents", query_string=query, data=data, headers=caller.headers
    )


def test_an_accepted_file_is_stored_byte_for_byte(service: Api, caller: Caller) -> None:
    answer = caller.upload(name="a.pdf", languages="eng", pages="1-3,5", outputs="pdf,words")
    document = answer.get_json()
    assert answer.status_code == 202
    assert answer.headers["Location"] == f"/v1/documents/{document['id']}"
    assert (document["state"], document["size"]) == ("received", len(PDF))
    assert document["sha256"] == hashlib.sha256(PDF).hexdigest()
    assert document["options"] == {
        "languages": ["eng"],
        "pages": [1, 2, 3, 5],
        "outputs": ["pdf", "words"],
        "force_ocr": [],
        "forbid_ocr": [],
    }
    with service.blobs.open(f"one/{document['id']}/original") as body:
        assert body.read() == PDF


def test_pages_that_a_document_does_not_have_are_told(service: Api, caller: Caller) -> None:
    path, other = caller.uploaded(pages="1-2,7-9", force_ocr="12"), caller.uploaded(force_ocr="2")
    assert caller.get(path).get_json()["pages_beyond"] is None
    service.work_off()
    told = [caller.get(each).get_json()["pages_beyond"] for each in (path, other)]
    assert told == ["7-9,12", None]


def test_an_accepted_file_is_the_ledgers(service: Api, caller: Caller) -> None:
    document = identity(caller.uploaded())
    assert [task["stage"] for task in service.desk.tasks(document)] == ["validate"]
    assert service.desk.events(document) == ["accepted"]
    assert blob_states(service) == ["live"]


def test_a_form_may_give_options_before_and_after_the_file(caller: Caller) -> None:
    answer = form(
        caller,
        ("languages", "eng"),
        ("file", (io.BytesIO(PDF), "scan.pdf", "application/pdf")),
        ("metadata", '{"invoice": 7}'),
        priority="batch",
    )
    document = answer.get_json()
    assert answer.status_code == 202
    assert document["metadata"] == {"invoice": 7}
    assert (document["name"], document["priority"]) == ("scan.pdf", "batch")
    assert (document["declared_type"], document["size"]) == ("application/pdf", len(PDF))


def test_a_declared_type_is_kept_only_when_it_is_one(caller: Caller) -> None:
    answer = form(caller, ("file", (io.BytesIO(PDF), "x", 'a/b"\x00c')))
    assert answer.get_json()["declared_type"] == "application/octet-stream"


def test_a_large_form_streams_through(service: Api) -> None:
    content = bytes(range(256)) * 90_000
    caller = service.tenant("large", max_file_bytes=10**9, max_storage_bytes=10**9)
    body = FILE_PART + content + b"\r\n--b--\r\n"
    document = caller.client.post(
        "/v1/documents", data=body, content_type=FORM, headers=caller.headers
    ).get_json()
    assert document["sha256"] == hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\temp\\scan.pdf", "scan.pdf"),
        ("a\x00b\r\n\u202ec.pdf", "abc.pdf"),
        ("..", "document"),
        ("x" * 300 + ".pdf", "x" * 251 + ".pdf"),
    ],
)
def test_a_name_is_only_a_name(caller: Caller, given: str, shown: str) -> None:
    assert caller.upload(name=given).get_json()["name"] == shown


@pytest.mark.parametrize(
    ("content", "options", "status", "code"),
    [
        (b"", {}, 422, "empty_file"),
        (b"x" * 2000, {}, 413, "file_too_large"),
        (PDF, {"languages": "tlh"}, 422, "unknown_language"),
        (PDF, {"languages": "../eng"}, 422, "invalid_option"),
        (PDF, {"pages": "3-1"}, 422, "invalid_option"),
        (PDF, {"pages": "0"}, 422, "invalid_option"),
        (PDF, {"pages": "1-999999"}, 422, "invalid_option"),
        (PDF, {"outputs": "docx"}, 422, "invalid_option"),
        (PDF, {"priority": "high"}, 422, "invalid_option"),
        (PDF, {"colour": "red"}, 422, "invalid_option"),
        (PDF, {"retention_seconds": "5"}, 422, "invalid_option"),
        (PDF, {"retention_seconds": "999999"}, 422, "retention_too_long"),
        (PDF, {"retention_seconds": "9" * 20}, 422, "invalid_option"),
        (PDF, {"retention_seconds": "9" * 5000}, 422, "invalid_option"),
        (PDF, {"metadata": "{"}, 422, "bad_metadata"),
        (PDF, {"metadata": '{"a":' * 65 + "1" + "}" * 65}, 422, "bad_metadata"),
        (PDF, {"metadata": '{"a":' * 900 + "1" + "}" * 900}, 422, "bad_metadata"),
        (PDF, {"metadata": "[1]"}, 422, "bad_metadata"),
        (PDF, {"metadata": '{"a": NaN}'}, 422, "bad_metadata"),
        (PDF, {"metadata": '{"a": 1e999}'}, 422, "bad_metadata"),
        (PDF, {"metadata": '{"a": "\\ud800"}'}, 422, "bad_metadata"),
        (PDF, {"metadata": '{"a": "\\u0000"}'}, 422, "bad_metadata"),
        (PDF, {"metadata": '{"a": "' + "x" * 20_000 + '"}'}, 422, "bad_metadata"),
        (PDF, {"metadata": "[" * 10_000}, 422, "bad_metadata"),
    ],
)
def test_what_cannot_be_taken_is_refused_by_name(
    service: Api, content: bytes, options: dict[str, str], status: int, code: str
) -> None:
    answer = service.tenant("small", max_file_bytes=1000).upload(content, **options)
    problem = answer.get_json()
    assert (answer.status_code, problem["code"]) == (status, code)
    assert answer.content_type == "application/problem+json"
    assert problem["remedy"]
    assert documents(service) == 0
    assert set(blob_states(service)) <= {"discarded"}


def test_a_full_storage_refuses_a_file_that_says_its_size(service: Api) -> None:
    caller = service.tenant("full", max_storage_bytes=len(PDF) + 1)
    caller.uploaded()
    assert caller.upload().get_json()["code"] == "storage_quota_exceeded"


def test_a_full_storage_refuses_a_form_after_its_bytes(service: Api) -> None:
    caller = service.tenant("full", max_storage_bytes=len(PDF) - 1)
    answer = form(caller, ("file", (io.BytesIO(PDF), "x.pdf")))
    assert answer.get_json()["code"] == "storage_quota_exceeded"
    assert blob_states(service) == ["discarded"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no form at all",
        b'--b\r\nContent-Disposition: form-data; name="languages"\r\n\r\neng\r\n--b--\r\n',
        FILE_PART + b"abc",
        b'--b\r\nContent-Disposition: form-data; name="doc"; filename="x"\r\n\r\nabc\r\n--b--\r\n',
        FILE_PART + b"abc\r\n" + FILE_PART + b"abc\r\n--b--\r\n",
        b'--b\r\nContent-Disposition: form-data; name="name"\r\n\r\n' + b"x" * 70_000,
        b'--b\r\nContent-Disposition: form-data; name="name"\r\n\r\n\xff\xfe\r\n--b--\r\n',
    ],
)
def test_a_bad_form_is_refused_and_leaves_nothing(
    service: Api, caller: Caller, body: bytes
) -> None:
    answer = caller.client.post(
        "/v1/documents",
        data=body,
        content_type=FORM,
        headers=caller.headers,
    )
    assert (answer.status_code, answer.get_json()["code"]) == (400, "bad_form")
    assert set(blob_states(service)) <= {"discarded"}


def test_an_option_after_the_file_is_checked_too(service: Api, caller: Caller) -> None:
    answer = form(caller, ("file", (io.BytesIO(PDF), "x.pdf")), ("languages", "tlh"))
    assert answer.get_json()["code"] == "unknown_language"
    assert blob_states(service) == ["discarded"]


def test_installed_languages_are_those_of_the_living_workers(service: Api, caller: Caller) -> None:
    service.desk.do(
        "INSERT INTO worker (id, pool, slots, build, languages)"
        " VALUES ('w', 'ocr', 1, 'x', '{deu,osd}')"
    )
    assert caller.get("/v1/languages").get_json() == {"items": ["deu", "osd"]}
    assert caller.upload(languages="deu").status_code == 202
    refused = caller.upload(languages="eng").get_json()
    assert "deu, osd" in refused["detail"]


class TestIdempotency:
    def test_the_same_request_gives_the_same_document(self, service: Api, caller: Caller) -> None:
        first, second = (caller.upload(headers=KEY).get_json() for _ in range(2))
        assert first["id"] == second["id"]
        assert documents(service) == 1

    def test_a_repeat_needs_no_room_and_another_request_has_none(self, service: Api) -> None:
        caller = service.tenant("full", max_storage_bytes=len(PDF) + 1)
        first, second = (caller.upload(headers=KEY) for _ in range(2))
        assert (second.status_code, second.get_json()["id"]) == (202, first.get_json()["id"])
        assert caller.upload(b"another", headers=KEY).get_json()["code"] == "idempotency_key_reused"
        other = {"Idempotency-Key": "other"}
        assert caller.upload(headers=other).get_json()["code"] == "storage_quota_exceeded"
        assert blob_states(service).count("live") == documents(service) == 1

    def test_another_request_with_the_key_is_refused(self, caller: Caller) -> None:
        caller.upload(headers=KEY)
        answer = caller.upload(b"another file", headers=KEY)
        assert (answer.status_code, answer.get_json()["code"]) == (422, "idempotency_key_reused")

    def test_keys_are_the_tenants_own(self, service: Api, caller: Caller) -> None:
        mine = caller.upload(headers=KEY).get_json()
        theirs = service.tenant("two").upload(headers=KEY).get_json()
        assert mine["id"] != theirs["id"]

    def test_fifty_at_once_make_one_document(self, service: Api, caller: Caller) -> None:
        answers = fifty(service, caller, [PDF])
        assert {answer.status_code for answer in answers} == {202}
        assert len({answer.get_json()["id"] for answer in answers}) == 1
        assert documents(service) == 1
        assert sorted(blob_states(service)) == 49 * ["discarded"] + ["live"]

    def test_of_two_bodies_with_one_key_at_once_one_is_refused(
        self, service: Api, caller: Caller
    ) -> None:
        answers = fifty(service, caller, [PDF, b"another file"])
        assert Counter(answer.status_code for answer in answers) == {202: 25, 422: 25}
        assert documents(service) == 1

    @pytest.mark.parametrize("key", ["", "x" * 256])
    def test_a_key_has_a_sane_length(self, caller: Caller, key: str) -> None:
        answer = caller.upload(headers={"Idempotency-Key": key})
        assert (answer.status_code, answer.get_json()["code"]) == (400, "bad_request")


class TestCorrelation:
    def test_the_callers_own_is_kept_and_echoed(self, caller: Caller) -> None:
        answer = caller.upload(headers={"X-Correlation-ID": "order-7"})
        assert answer.headers["X-Correlation-ID"] == "order-7"
        assert answer.get_json()["correlation_id"] == "order-7"

    @pytest.mark.parametrize("given", ["", "a b", "x" * 129, '"><script>'])
    def test_an_unfit_one_is_replaced(self, caller: Caller, given: str) -> None:
        made = caller.upload(headers={"X-Correlation-ID": given}).headers["X-Correlation-ID"]
        assert made not in {"", given}

    def test_a_problem_carries_it(self, caller: Caller) -> None:
        answer = caller.upload(b"", headers={"X-Correlation-ID": "order-7"})
        assert json.loads(answer.data)["correlation_id"] == "order-7"


def test_a_store_that_is_down_is_a_503_and_loses_nothing(
    database_url: str, blob_settings: StoreSettings
) -> None:
    nowhere = blob_settings.model_copy(update={"s3_endpoint": "http://127.0.0.1:9"})
    with api(database_url, nowhere) as service:
        answer = service.tenant("one").upload()
        assert (answer.status_code, answer.get_json()["code"]) == (503, "store_down")
        assert answer.headers["Retry-After"]
        assert blob_states(service) == ["discarded"]


def fifty(service: Api, caller: Caller, bodies: Sequence[bytes]) -> list[TestResponse]:
    """Send fifty uploads at the same moment, all with one key."""
    gate = Barrier(50)

    def send(number: int) -> TestResponse:
        client = service.service.app.test_client()
        gate.wait(timeout=30)
        return Caller(client, caller.headers).upload(bodies[number % len(bodies)], headers=KEY)

    with ThreadPoolExecutor(50) as threads:
        return list(threads.map(send, range(50)))


def documents(service: Api) -> int:
    return int(service.desk.do("SELECT count(*) AS n FROM document")[0]["n"])


def blob_states(service: Api) -> list[str]:
    rows = service.desk.do(
        "SELECT CASE WHEN state = 'uploading' AND expires_at <= now() THEN 'discarded'"
        " ELSE state END AS state FROM blob"
    )
    return [row["state"] for row in rows]
