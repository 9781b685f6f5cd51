import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from uuid import uuid4
from xml.etree import ElementTree as ET

import pytest

from docmill.domain.alto import NAMESPACE
from docmill.domain.task import Pool
from tests.stack.api import PDF, Api, Caller, identity
from tests.stack.ledger import lengthened

ALTO = f"{{{NAMESPACE}}}"
PARTS = (
    "",
    "/events",
    "/pages",
    "/text",
    "/words",
    "/hocr",
    "/alto",
    "/pdf",
    "/original",
    "/thumbnail",
    "/pages/1",
    "/pages/1/text",
    "/pages/1/hocr",
    "/pages/1/alto",
    "/pages/1/thumbnail",
)
OUTPUTS = ("/text", "/words", "/hocr", "/alto", "/pdf", "/thumbnail", "/pages/1", "/pages/1/text")
NOTHING_THERE = dict.fromkeys(PARTS, (404, "document_not_found"))


def refusals(caller: Caller, path: str, parts: Iterable[str]) -> dict[str, tuple[int, str]]:
    """Get every part; return how each was refused."""
    answers = {part: caller.get(path + part) for part in parts}
    return {part: (each.status_code, each.get_json()["code"]) for part, each in answers.items()}


@pytest.fixture
def ready(service: Api, caller: Caller) -> str:
    path = caller.uploaded(name="Rechnung Ü.pdf")
    service.work_off()
    return path


class TestOutputs:
    def test_a_ready_document_tells_how_it_went(self, caller: Caller, ready: str) -> None:
        document = caller.get(ready).get_json()
        assert document["state"] == "ready"
        assert document["pages"] == {"total": 2, "done": 2, "failed": 0}
        assert document["expires_at"]

    def test_every_part_of_a_ready_document_is_there(self, caller: Caller, ready: str) -> None:
        answers = {part: caller.get(ready + part) for part in PARTS}
        found = {
            part: (answer.status_code, answer.headers["X-Content-Type-Options"])
            for part, answer in answers.items()
        }
        assert found == dict.fromkeys(PARTS, (200, "nosniff"))

    def test_the_text_is_plain_utf8(self, caller: Caller, ready: str) -> None:
        answer = caller.get(f"{ready}/text")
        assert answer.text == "Page 1\fPage 2"
        assert answer.content_type == "text/plain; charset=utf-8"

    def test_a_page_has_text_and_words(self, caller: Caller, ready: str) -> None:
        page = caller.get(f"{ready}/pages/2").get_json()
        assert (page["text"], page["confidence"]) == ("Page 2", 88.0)
        assert page["words"][1]["box"] == [5, 2, 6, 4]
        assert caller.get(f"{ready}/pages/2/text").text == "Page 2"
        assert "ocr_page" in caller.get(f"{ready}/pages/2/hocr").text
        assert "<PrintSpace" in caller.get(f"{ready}/pages/2/alto").text

    def test_alto_of_the_document_has_every_page(self, caller: Caller, ready: str) -> None:
        answer = caller.get(f"{ready}/alto")
        assert answer.content_type == "application/xml; charset=utf-8"
        root = ET.fromstring(answer.data)
        pages = list(root.iter(f"{ALTO}Page"))
        words = [[each.get("CONTENT") for each in page.iter(f"{ALTO}String")] for page in pages]
        assert words == [["Page", "1"], ["Page", "2"]]
        (step,) = root.iter(f"{ALTO}Processing")
        assert {page.get("PROCESSINGREFS") for page in pages} == {step.get("ID")}

    def test_alto_that_is_known_is_not_sent_again(self, caller: Caller, ready: str) -> None:
        tag = caller.get(f"{ready}/alto").headers["ETag"]
        answer = caller.get(f"{ready}/alto", headers={"If-None-Match": tag})
        assert (answer.status_code, answer.data) == (304, b"")

    def test_thumbnails_come_in_sizes(self, caller: Caller, ready: str) -> None:
        assert caller.get(f"{ready}/thumbnail?size=small").data == b"thumbnail_small"
        assert caller.get(f"{ready}/pages/1/thumbnail").data == b"thumbnail_small"
        assert caller.get(f"{ready}/thumbnail?size=huge").get_json()["code"] == "invalid_option"

    def test_the_original_is_a_safe_download(self, caller: Caller, ready: str) -> None:
        answer = caller.get(f"{ready}/original")
        assert answer.data == PDF
        assert answer.headers["Content-Disposition"] == (
            "attachment; filename=\"Rechnung _.pdf\"; filename*=UTF-8''Rechnung%20%C3%9C.pdf"
        )

    def test_the_list_of_pages_tells_their_plan(self, caller: Caller, ready: str) -> None:
        pages = caller.get(f"{ready}/pages").get_json()["items"]
        assert [(page["number"], page["source"]) for page in pages] == [
            (1, "recognise"),
            (2, "recognise"),
        ]

    def test_before_it_is_ready_there_is_nothing_to_read(self, caller: Caller) -> None:
        path = caller.uploaded()
        assert refusals(caller, path, OUTPUTS) == dict.fromkeys(OUTPUTS, (409, "not_ready"))
        assert caller.get(f"{path}/text").get_json()["state"] == "received"

    def test_an_output_not_asked_for_is_not_there(self, service: Api, caller: Caller) -> None:
        path = caller.uploaded(outputs="words")
        service.work_off()
        answer = caller.get(f"{path}/thumbnail")
        assert (answer.status_code, answer.get_json()["code"]) == (404, "output_not_made")

    def test_a_page_that_failed_says_why_and_the_others_are_read(
        self, service: Api, caller: Caller
    ) -> None:
        path = caller.uploaded()
        service.work_off(torn={2})
        answer = caller.get(f"{path}/pages/2").get_json()
        assert (answer["code"], answer["reason"]) == ("output_not_made", "page_unreadable")
        assert caller.get(f"{path}/pages/1/text").text == "Page 1"
        assert caller.get(path).get_json()["pages"] == {"total": 2, "done": 1, "failed": 1}

    def test_a_thumbnail_that_is_still_to_come_is_worth_the_wait(
        self, service: Api, caller: Caller
    ) -> None:
        path = caller.uploaded()
        service.work_off(Pool.VALIDATOR, Pool.OCR)
        assert caller.get(path).get_json()["state"] == "ready"
        assert caller.get(f"{path}/thumbnail").get_json()["code"] == "not_ready"
        service.work_off()
        assert caller.get(f"{path}/thumbnail").status_code == 200

    def test_a_page_that_does_not_exist_is_not_there(self, caller: Caller, ready: str) -> None:
        assert caller.get(f"{ready}/pages/9").get_json()["code"] == "page_not_found"
        assert caller.get(f"{ready}/pages/0").get_json()["code"] == "invalid_option"

    def test_an_expired_document_is_gone(self, service: Api, caller: Caller, ready: str) -> None:
        service.desk.expire(identity(ready))
        gone = (*OUTPUTS, "/original")
        assert refusals(caller, ready, gone) == dict.fromkeys(gone, (410, "document_expired"))
        assert caller.get(ready).get_json()["state"] == "expired"


class TestRanges:
    def test_a_range_is_a_part(self, caller: Caller, ready: str) -> None:
        size = len(PDF)
        for wanted, content, where in (
            ("bytes=0-3", PDF[:4], f"bytes 0-3/{size}"),
            ("bytes=5-", PDF[5:], f"bytes 5-{size - 1}/{size}"),
            ("bytes=-4", PDF[-4:], f"bytes {size - 4}-{size - 1}/{size}"),
        ):
            answer = caller.get(f"{ready}/original", headers={"Range": wanted})
            assert (answer.status_code, answer.data) == (206, content)
            assert answer.headers["Content-Range"] == where

    def test_other_ranges_give_the_whole(self, caller: Caller, ready: str) -> None:
        for wanted in ("bytes=0-1,3-4", "pages=1-2", "nonsense"):
            answer = caller.get(f"{ready}/original", headers={"Range": wanted})
            assert (answer.status_code, answer.data) == (200, PDF)

    def test_a_range_outside_is_refused(self, caller: Caller, ready: str) -> None:
        answer = caller.get(f"{ready}/original", headers={"Range": "bytes=999-"})
        assert (answer.status_code, answer.get_json()["size"]) == (416, len(PDF))

    def test_a_stale_condition_gives_the_whole(self, caller: Caller, ready: str) -> None:
        stale = {"Range": "bytes=0-3", "If-Range": '"other"'}
        assert caller.get(f"{ready}/original", headers=stale).status_code == 200

    def test_known_content_is_not_sent_again(self, caller: Caller, ready: str) -> None:
        etag = caller.get(f"{ready}/text").headers["ETag"]
        answer = caller.get(f"{ready}/text", headers={"If-None-Match": etag})
        assert (answer.status_code, answer.data) == (304, b"")

    def test_head_tells_the_size_only(self, caller: Caller, ready: str) -> None:
        answer = caller.client.head(f"{ready}/original", headers=caller.headers)
        assert (answer.headers["Content-Length"], answer.data) == (str(len(PDF)), b"")


class TestGet:
    def test_the_etag_is_the_version(self, service: Api, caller: Caller) -> None:
        path = caller.uploaded()
        etag = caller.get(path).headers["ETag"]
        assert caller.get(path, headers={"If-None-Match": etag}).status_code == 304
        service.work_off()
        changed = caller.get(path, headers={"If-None-Match": etag})
        assert changed.status_code == 200
        assert changed.headers["ETag"] == f'"{changed.get_json()["version"]}"'

    @pytest.mark.parametrize("given", ['"²"', f'"{"9" * 5000}"', '"-1"', "*", "\x80", '"'])
    def test_a_condition_that_is_no_version_is_none(self, caller: Caller, given: str) -> None:
        path = caller.uploaded()
        answer = caller.get(f"{path}?wait=0.01", headers={"If-None-Match": given})
        assert answer.status_code == (304 if given == "*" else 200)

    @pytest.mark.parametrize("part", ["", "/original"])
    @pytest.mark.parametrize("name", ["If-Modified-Since", "If-Range"])
    def test_a_date_is_no_condition(self, caller: Caller, ready: str, name: str, part: str) -> None:
        odd = f"Mon, 01 Jan {'9' * 20} 00:00:00 GMT"
        headers = {name: odd, "Range": "bytes=0-1"}
        whole = name == "If-Range" or not part
        assert caller.get(ready + part, headers=headers).status_code == (200 if whole else 206)

    def test_waiting_for_a_settled_document_is_no_wait(self, caller: Caller, ready: str) -> None:
        assert caller.get(f"{ready}?wait=60").get_json()["state"] == "ready"

    def test_a_wait_has_bounds(self, caller: Caller, ready: str) -> None:
        waits = ("?wait=61", "?wait=-1", "?wait=soon", "?wait=nan", "?wait=1e999")
        assert refusals(caller, ready, waits) == dict.fromkeys(waits, (422, "invalid_option"))

    def test_an_id_that_is_none_is_no_route(self, caller: Caller) -> None:
        assert caller.get("/v1/documents/7").get_json()["code"] == "route_not_found"


class TestList:
    def test_pages_follow_each_other_newest_first(self, caller: Caller) -> None:
        paths = [caller.uploaded() for _ in range(5)]
        seen: list[str] = []
        query = "limit=2"
        while query:
            answer = caller.get(f"/v1/documents?{query}").get_json()
            seen += [item["links"]["self"] for item in answer["items"]]
            cursor = answer["next_cursor"]
            query = f"limit=2&cursor={cursor}" if cursor else ""
        assert seen == paths[::-1]

    def test_it_filters(self, service: Api, caller: Caller) -> None:
        ready = caller.uploaded(name="Invoice 7.pdf", metadata='{"year": 2026, "kind": "in"}')
        service.work_off()
        received = caller.uploaded(name="other.pdf")
        later = (datetime.now(UTC) + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")

        def found(**query: str) -> list[str]:
            answer = caller.client.get("/v1/documents", query_string=query, headers=caller.headers)
            return [item["links"]["self"] for item in answer.get_json()["items"]]

        assert found(state="ready,failed") == [ready]
        assert found(state="received") == [received]
        assert found(name="iNVOICE") == [ready]
        assert found(metadata=json.dumps({"year": 2026})) == [ready]
        assert found(accepted_from=later) == []
        assert found(accepted_to=later) == [received, ready]

    def test_a_bad_query_is_refused(self, caller: Caller) -> None:
        codes = {
            "state=done": "invalid_option",
            "name=%00": "invalid_option",
            "state=%00": "invalid_option",
            "metadata=%7B%22a%22:%22%00%22%7D": "bad_metadata",
            "limit=0": "invalid_option",
            "limit=101": "invalid_option",
            f"limit={'9' * 400}": "invalid_option",
            "accepted_from=1e99": "invalid_option",
            "sort=name": "invalid_option",
            "accepted_from=2026-01-01": "invalid_option",
            "metadata=7": "bad_metadata",
            "cursor=xyz": "invalid_cursor",
        }
        told = refusals(caller, "/v1/documents?", codes)
        assert {query: code for query, (_, code) in told.items()} == codes


class TestEvents:
    def test_the_history_is_in_order(self, caller: Caller, ready: str) -> None:
        events = caller.get(f"{ready}/events").get_json()["items"]
        assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
        assert (events[0]["kind"], events[-1]["seq"]) == ("accepted", len(events))
        after = caller.get(f"{ready}/events?after=2").get_json()["items"]
        assert after == events[2:]

    def test_a_stream_of_a_settled_document_is_its_history(
        self, caller: Caller, ready: str
    ) -> None:
        events = caller.get(f"{ready}/events").get_json()["items"]
        stream = caller.get(f"{ready}/events", headers={"Accept": "text/event-stream"})
        assert stream.content_type.startswith("text/event-stream")
        lines = stream.text.splitlines()
        assert [line for line in lines if line.startswith("id:")] == [
            f"id: {event['seq']}" for event in events
        ]

    def test_a_stream_goes_on_after_the_last_seen(self, caller: Caller, ready: str) -> None:
        headers = {"Accept": "text/event-stream", "Last-Event-ID": "2"}
        first = caller.get(f"{ready}/events", headers=headers).text.split("id: ")[1]
        assert first.startswith("3\n")

    def test_a_long_history_is_told_to_its_end(
        self, service: Api, caller: Caller, ready: str
    ) -> None:
        last = lengthened(service.desk, identity(ready))
        page = caller.get(f"{ready}/events").get_json()
        assert (len(page["items"]), page["next_after"]) == (1000, 1000)
        rest = caller.get(f"{ready}/events?after={last - 1000}").get_json()
        assert (len(rest["items"]), rest["next_after"]) == (1000, None)
        stream = caller.get(f"{ready}/events", headers={"Accept": "text/event-stream"})
        assert stream.text.count("\nid: ") == last


class TestLifecycle:
    def test_a_live_document_can_be_cancelled_twice(self, caller: Caller) -> None:
        path = caller.uploaded()
        for _ in range(2):
            answer = caller.post(f"{path}/cancel")
            assert (answer.status_code, answer.get_json()["state"]) == (202, "cancelled")

    def test_a_settled_document_cannot_be_cancelled(self, caller: Caller, ready: str) -> None:
        answer = caller.post(f"{ready}/cancel")
        assert (answer.status_code, answer.get_json()["code"]) == (409, "not_cancellable")

    def test_a_retry_opens_a_run_and_reads_the_old_one_meanwhile(
        self, caller: Caller, ready: str
    ) -> None:
        document = caller.post(f"{ready}/retry").get_json()
        assert (document["state"], document["run"], document["settled_run"]) == ("processing", 2, 1)
        assert caller.get(f"{ready}/text").status_code == 200

    def test_a_change_tells_whose_request_it_was_and_whose_the_upload(
        self, service: Api, caller: Caller
    ) -> None:
        path = caller.uploaded()
        for method, part in (("POST", "/cancel"), ("POST", "/retry"), ("DELETE", "")):
            headers = {**caller.headers, "X-Correlation-ID": f"for-{method}{part}"}
            caller.client.open(f"{path}{part}", method=method, headers=headers)
        rows = service.desk.do("SELECT kind, data FROM event ORDER BY seq")
        told = {row["kind"]: row["data"].get("asked_correlation_id") for row in rows}
        assert told == {
            "accepted": None,
            "cancelled": "for-POST/cancel",
            "run_opened": "for-POST/retry",
            "erasing": "for-DELETE",
        }
        assert len({row["data"]["correlation_id"] for row in rows}) == 1

    def test_an_expired_document_cannot_be_retried(
        self, service: Api, caller: Caller, ready: str
    ) -> None:
        service.desk.expire(identity(ready))
        assert caller.post(f"{ready}/retry").get_json()["code"] == "not_retryable"

    def test_an_erased_document_is_not_there_at_once(self, caller: Caller, ready: str) -> None:
        assert caller.delete(ready).status_code == 202
        assert refusals(caller, ready, PARTS) == NOTHING_THERE

    def test_an_erased_document_is_in_no_list(self, caller: Caller, ready: str) -> None:
        caller.delete(ready)
        assert caller.get("/v1/documents").get_json()["items"] == []
        assert caller.delete(ready).get_json()["code"] == "document_not_found"


class TestTenancy:
    def test_anothers_document_is_not_there(self, service: Api, ready: str) -> None:
        assert refusals(service.tenant("two"), ready, PARTS) == NOTHING_THERE

    def test_anothers_document_cannot_be_changed(
        self, service: Api, caller: Caller, ready: str
    ) -> None:
        other = service.tenant("two")
        assert other.post(f"{ready}/cancel").status_code == 404
        for query in ("", "?force_ocr=1"):
            assert other.post(f"{ready}/retry{query}").status_code == 404
        assert other.delete(ready).status_code == 404
        assert caller.get(ready).get_json()["state"] == "ready"

    def test_a_list_and_usage_are_the_tenants_own(self, service: Api, ready: str) -> None:
        other = service.tenant("two")
        assert other.get("/v1/documents").get_json()["items"] == []
        assert other.get("/v1/usage").get_json()["documents"] == 0

    def test_a_document_that_never_was_looks_the_same(self, caller: Caller) -> None:
        answer = caller.get(f"/v1/documents/{uuid4()}")
        assert answer.get_json()["code"] == "document_not_found"

    def test_usage_tells_what_is_used_of_what(self, caller: Caller, ready: str) -> None:
        usage = caller.get("/v1/usage").get_json()
        assert (usage["documents"], usage["storage_bytes"]) == (1, len(PDF))
        assert usage["limits"]["max_pages"] == 100
