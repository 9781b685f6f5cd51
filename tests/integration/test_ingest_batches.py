"""/v1/batches, as a caller uses them."""

from uuid import uuid4

from tests.stack.api import Api, Caller


def test_a_batch_is_opened_filled_cancelled_and_complete(caller: Caller) -> None:
    answer = caller.post('/v1/batches?name=mail&metadata={"day":1}')
    assert answer.status_code == 201
    path = answer.headers["Location"]
    batch = answer.get_json()
    assert (batch["name"], batch["metadata"], batch["state"]) == ("mail", {"day": 1}, "open")
    assert caller.upload(batch=batch["id"]).get_json()["batch"] == batch["id"]
    assert caller.get(path).get_json()["counts"] == {"received": 1}
    cancelled = caller.post(f"{path}/cancel").get_json()
    assert (cancelled["state"], cancelled["counts"]) == ("cancelled", {"cancelled": 1})
    assert cancelled["completed_at"]
    assert caller.post(f"{path}/cancel").get_json() == cancelled
    assert caller.upload(batch=batch["id"]).get_json()["code"] == "batch_cancelled"


def test_a_closed_or_unknown_batch_takes_no_upload_and_a_repetition_is_answered(
    service: Api, caller: Caller
) -> None:
    batch = caller.post("/v1/batches").get_json()["id"]
    once = {"Idempotency-Key": "once"}
    first = caller.upload(headers=once, batch=batch).get_json()
    closed = caller.post(f"/v1/batches/{batch}/close").get_json()
    assert (closed["state"], closed["completed_at"]) == ("closed", None)
    assert caller.upload(headers=once, batch=batch).get_json()["id"] == first["id"]
    refused = caller.upload(batch=batch)
    assert (refused.status_code, refused.get_json()["code"]) == (409, "batch_closed")
    unknown = caller.upload(batch=str(uuid4()))
    assert (unknown.status_code, unknown.get_json()["code"]) == (404, "batch_not_found")
    assert service.tenant("two").get(f"/v1/batches/{batch}").status_code == 404
