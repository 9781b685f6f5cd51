"""Legal holds: what they forbid, who may set them, and what is written of them."""

from uuid import UUID, uuid4

import pytest

from docmill.adapters.postgres.audit import PostgresAudit
from docmill.adapters.postgres.retention import PostgresRetention
from docmill.domain.tenant import Scope
from tests.integration.test_ingest_admin import admin
from tests.stack.api import Api, Caller, identity


@pytest.fixture
def path(caller: Caller) -> str:
    return caller.uploaded()


def put(caller: Caller, path: str, reason: str = "case 7") -> int:
    answer = caller.client.put(
        f"{path}/hold", query_string={"reason": reason}, headers=caller.headers
    )
    return answer.status_code


def lines(service: Api, document: UUID) -> list[str]:
    rows = service.desk.do(
        "SELECT action FROM audit_line WHERE document_id = %(id)s ORDER BY id", {"id": document}
    )
    return [row["action"] for row in rows]


def test_a_held_document_of_any_tenant_is_not_erased(
    service: Api, caller: Caller, path: str
) -> None:
    service.tenant("two")
    operator = service.caller("two", Scope.OPERATOR)
    assert put(operator, path) == 204
    assert put(operator, path, "another") == 204
    assert caller.get(path).get_json()["held_reason"] == "case 7"
    refused = caller.delete(path)
    assert (refused.status_code, refused.get_json()["code"]) == (409, "document_held")
    assert caller.post(f"{path}/cancel").status_code == 202
    assert operator.delete(f"{path}/hold").status_code == 204
    assert caller.delete(path).status_code == 202
    assert put(operator, path) == 404
    assert lines(service, identity(path)) == [
        "document_held", "document_released", "erase_requested",
    ]  # fmt: skip


def test_a_tenants_own_key_cannot_hold_or_release(caller: Caller, path: str) -> None:
    assert put(caller, path) == 403
    assert caller.delete(f"{path}/hold").status_code == 403


def test_a_held_document_does_not_expire(
    service: Api, caller: Caller, path: str, database_url: str
) -> None:
    document = identity(path)
    caller.post(f"{path}/cancel")
    service.desk.do("UPDATE document SET expires_at = now() - interval '1 s'")
    retention = PostgresRetention(service.desk.database)
    assert retention.expired(10) == [document]
    assert admin(database_url, "document", "hold", str(document), "--reason", "case 7") == [
        f"{document}\theld"
    ]
    assert not retention.expire(document)  # found before the hold
    assert retention.expired(10) == []
    admin(database_url, "document", "release", str(document))
    assert retention.expire(document)
    assert PostgresAudit(service.desk.database).all_violations() == []


def test_a_tenant_is_cancelled_as_a_whole_and_no_other(
    service: Api, caller: Caller, path: str, database_url: str
) -> None:
    other = service.tenant("two")
    spared = other.uploaded()
    caller.uploaded()
    assert admin(database_url, "tenant", "cancel", "one") == ["one\t2 documents cancelled"]
    assert admin(database_url, "tenant", "cancel", "one") == ["one\t0 documents cancelled"]
    assert caller.get(path).get_json()["state"] == "cancelled"
    assert other.get(spared).get_json()["state"] == "received"


def test_a_hold_of_nothing_is_told(service: Api) -> None:
    service.tenant("two")
    assert put(service.caller("two", Scope.OPERATOR), f"/v1/documents/{uuid4()}") == 404
