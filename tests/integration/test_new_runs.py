"""A new run of a document: what it does anew, and what it may be asked for."""

from collections.abc import Iterator
from functools import partial

import pytest

from docmill.adapters.postgres.lifecycle import Answer
from docmill.domain.document import OcrChange, Options
from docmill.domain.task import Stage
from docmill.ports import Beat
from tests.stack.api import Api, Caller
from tests.stack.ledger import TENANT, Desk, desk


@pytest.fixture
def ledger(database_url: str) -> Iterator[Desk]:
    with desk(database_url) as made:
        yield made


def announces(ledger: Desk, **engines: str) -> None:
    for stage, engine in engines.items():
        ledger.ledger.beat(
            Beat(
                worker=stage,
                pool=Stage(stage).pool,
                slots=1,
                build="t",
                languages=[],
                memory=0,
                engines={stage: engine},
            )
        )


def test_a_new_run_keeps_what_the_present_engines_would_make_again(ledger: Desk) -> None:
    announces(ledger, validate="te", recognise="test", thumbnail="test")
    accepted = ledger.accept()
    ledger.work_off(pages=3, text=1)
    ledger.lifecycle.retry(TENANT, accepted.document, by="me")
    assert [each.stage for each in ledger.work_off()] == [Stage.ASSEMBLE]


def test_a_new_run_that_is_asked_for_something_else_does_all_anew(ledger: Desk) -> None:
    announces(ledger, validate="test", recognise="test", thumbnail="test")
    accepted = ledger.accept(options=Options(pages=(1,), forbid_ocr=(2,)))
    ledger.work_off(pages=2, text=1)
    change = OcrChange(force=(1,))
    ledger.lifecycle.retry(TENANT, accepted.document, by="me", change=change)
    claims = ledger.work_off(pages=2)
    stages = sorted(each.stage for each in claims)
    assert stages == ["assemble", "recognise", "recognise", "thumbnail", "validate"]
    asked = Options(pages=(1,), forbid_ocr=(2,), force_ocr=(1,))
    assert {each.options for each in claims} == {asked}
    ledger.lifecycle.retry(TENANT, accepted.document, by="me", change=change)
    assert [each.stage for each in ledger.work_off()] == [Stage.ASSEMBLE]


def test_a_live_run_is_not_asked_for_something_else(ledger: Desk) -> None:
    document = ledger.accept(options=Options(force_ocr=(1,))).document
    retry = partial(ledger.lifecycle.retry, TENANT, document, by="me")
    assert retry(change=OcrChange(force=(1,))) is Answer.ALREADY
    assert retry(change=OcrChange(force=(2,))) is Answer.CONFLICT
    assert ledger.document(document)["run"] == 1


def test_a_new_run_reads_the_pages_again_that_another_engine_read(ledger: Desk) -> None:
    accepted = ledger.accept()
    ledger.work_off(pages=3, text=1)
    announces(ledger, validate="test", recognise="newer", thumbnail="test")
    ledger.lifecycle.retry(TENANT, accepted.document, by="me")
    done = ledger.work_off()
    assert sorted(each.page for each in done if each.stage is Stage.RECOGNISE) == [2, 3]
    assert {each.stage for each in done} == {Stage.RECOGNISE, Stage.ASSEMBLE}


def test_a_new_run_plans_again_what_another_validator_planned(ledger: Desk) -> None:
    accepted = ledger.accept()
    ledger.work_off(pages=2)
    announces(ledger, validate="newer")
    ledger.lifecycle.retry(TENANT, accepted.document, by="me")
    stages = {each.stage for each in ledger.work_off(pages=2)}
    assert stages == {Stage.VALIDATE, Stage.RECOGNISE, Stage.ASSEMBLE, Stage.THUMBNAIL}
    assert ledger.document(accepted.document)["state"] == "ready"


# ── over REST ────────────────────────────────────────────────────────────────────────────────────
@pytest.fixture
def ready(service: Api, caller: Caller) -> str:
    path = caller.uploaded()
    service.work_off()
    return path


def asked(caller: Caller, path: str) -> list[str]:
    """Return what was asked of OCR for each page."""
    return [page["ocr"] for page in caller.get(f"{path}/pages").get_json()["items"]]


def test_a_retry_may_ask_for_other_pages_to_be_recognised(service: Api, caller: Caller) -> None:
    path = caller.uploaded(force_ocr="2", pages="1-2", languages="eng")
    service.work_off()
    retry = f"{path}/retry?forbid_ocr=1"
    first, again = (caller.post(retry).get_json() for _ in range(2))
    assert first["options"] == again["options"]
    assert (first["run"], again["run"]) == (2, 2)
    told = {name: first["options"][name] for name in ("pages", "force_ocr", "forbid_ocr")}
    assert told == {"pages": [1, 2], "force_ocr": [2], "forbid_ocr": [1]}
    assert asked(caller, path) == ["auto", "force"]  # of the run whose outputs are read
    service.work_off()
    assert asked(caller, path) == ["forbid", "force"]
    assert caller.get(path).get_json()["settled_run"] == 2


@pytest.mark.parametrize("query", ["force_ocr=x", "pages=1", "force_ocr=1&forbid_ocr=1"])
def test_a_bad_retry_changes_nothing(caller: Caller, ready: str, query: str) -> None:
    answer = caller.post(f"{ready}/retry?{query}")
    assert (answer.status_code, answer.get_json()["code"]) == (422, "invalid_option")
    assert caller.get(ready).get_json()["run"] == 1


def test_a_live_document_is_not_asked_for_other_pages(caller: Caller) -> None:
    answer = caller.post(f"{caller.uploaded()}/retry?force_ocr=1")
    assert (answer.status_code, answer.get_json()["code"]) == (409, "not_retryable")
