from datetime import UTC, datetime, timedelta

import pytest

from docmill.adapters.postgres.tenants import KeyEnded, NoSuchKey, NoSuchTenant
from docmill.domain.tenant import Scope, split_key
from tests.stack.api import Api, Caller


def code(service: Api, **headers: str) -> str | None:
    client = service.service.app.test_client()
    answer = client.get(
        "/v1/documents", headers={k.replace("_", "-"): v for k, v in headers.items()}
    )
    if answer.status_code != 200:
        assert answer.headers.get("WWW-Authenticate") or answer.status_code == 403
        return str(answer.get_json()["code"])
    return None


def test_both_headers_carry_a_key(service: Api) -> None:
    key = service.tenant("one").headers["Authorization"].removeprefix("Bearer ")
    assert code(service, Authorization=f"Bearer {key}") is None
    assert code(service, Authorization=f"bearer {key}") is None
    assert code(service, X_API_Key=key) is None


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("", "missing_key"),
        ("nonsense", "invalid_key"),
        ("dm_000000000000_" + "a" * 43, "invalid_key"),
        ("dm_1_2", "invalid_key"),
    ],
)
def test_what_is_no_key_opens_nothing(service: Api, given: str, expected: str) -> None:
    assert code(service, X_API_Key=given) == expected


def test_a_right_id_with_a_wrong_secret_opens_nothing(service: Api) -> None:
    service.tenant("one")
    key = service.tenants.add_key("one", Scope.DOCUMENTS)
    assert code(service, X_API_Key=f"dm_{key.id}_{'a' * 43}") == "invalid_key"
    failed = service.desk.do("SELECT key_id, reason FROM failed_authentication")
    assert failed == [{"key_id": key.id, "reason": "unknown"}]


def test_a_revoked_key_opens_nothing(service: Api) -> None:
    service.tenant("one")
    key = service.tenants.add_key("one", Scope.DOCUMENTS)
    service.tenants.revoke_key(key.id)
    service.tenants.revoke_key(key.id)
    assert code(service, X_API_Key=key.text) == "invalid_key"


def test_a_rotated_key_lives_for_its_grace(service: Api) -> None:
    service.tenant("one")
    old = service.tenants.add_key("one", Scope.DOCUMENTS)
    new = service.tenants.rotate_key(old.id, grace=timedelta(hours=1))
    assert code(service, X_API_Key=old.text) is None
    newer = service.tenants.rotate_key(new.id, grace=timedelta())
    assert code(service, X_API_Key=new.text) == "invalid_key"
    assert code(service, X_API_Key=newer.text) is None


def test_a_suspended_tenants_keys_open_nothing(service: Api) -> None:
    caller = service.tenant("one")
    service.desk.do("UPDATE tenant SET state = 'suspended'")
    assert caller.get("/v1/usage").get_json()["code"] == "invalid_key"


def test_an_operators_key_reads_no_documents(service: Api) -> None:
    service.tenant("one")
    answer = service.caller("one", Scope.OPERATOR).get("/v1/documents")
    assert (answer.status_code, answer.get_json()["code"]) == (403, "scope_missing")


def test_a_flood_of_failures_is_logged_within_bounds(service: Api) -> None:
    for _ in range(60):
        code(service, X_API_Key="dm_000000000000_" + "a" * 43)
    logged = service.desk.do("SELECT count(*) AS n FROM failed_authentication")[0]["n"]
    assert 0 < logged < 40


def test_no_secret_is_kept(service: Api) -> None:
    service.tenant("one")
    key = service.tenants.add_key("one", Scope.DOCUMENTS)
    _, secret = split_key(key.text) or ("", "")
    row = service.desk.do("SELECT * FROM api_key WHERE id = %(id)s", {"id": key.id})[0]
    assert secret not in str(row)
    assert secret not in repr(key)


def test_what_does_not_exist_is_told(service: Api) -> None:
    with pytest.raises(NoSuchTenant):
        service.tenants.add_key("nobody", Scope.DOCUMENTS)
    with pytest.raises(NoSuchKey):
        service.tenants.revoke_key("nothing")
    with pytest.raises(NoSuchKey):
        service.tenants.rotate_key("nothing", grace=timedelta())


def test_a_key_that_has_ended_gives_nobody_another(service: Api) -> None:
    service.tenant("one")
    past = datetime.now(UTC) - timedelta(seconds=1)
    revoked = service.tenants.add_key("one", Scope.DOCUMENTS).id
    service.tenants.revoke_key(revoked)
    expired = service.tenants.add_key("one", Scope.DOCUMENTS, expires_at=past).id
    for key in (revoked, expired):
        with pytest.raises(KeyEnded):
            service.tenants.rotate_key(key, grace=timedelta())
    assert len(service.tenants.keys("one")) == 3  # with the one it was made with


@pytest.mark.parametrize(
    ("method", "path", "status", "expected"),
    [
        ("GET", "/nowhere", 404, "route_not_found"),
        ("GET", "/v1/nowhere", 404, "route_not_found"),
        ("PUT", "/v1/documents", 405, "method_not_allowed"),
    ],
)
def test_what_is_not_served_is_a_problem_too(
    service: Api, method: str, path: str, status: int, expected: str
) -> None:
    caller = service.tenant("one")
    answer = caller.client.open(path, method=method, headers=caller.headers)
    assert (answer.status_code, answer.get_json()["code"]) == (status, expected)


def test_a_defect_hides_its_details(service: Api) -> None:
    caller: Caller = service.tenant("one")
    service.desk.do("DROP TABLE document CASCADE")
    answer = caller.get("/v1/documents")
    assert (answer.status_code, answer.get_json()["code"]) == (500, "internal_error")
    assert "does not exist" not in answer.text


def test_the_description_is_open_to_all(service: Api) -> None:
    client = service.service.app.test_client()
    assert client.get("/openapi.json").get_json()["openapi"].startswith("3.1")
    assert "docmill API" in client.get("/openapi").text
