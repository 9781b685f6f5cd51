"""The history checker on a real database: silent on a sound one, loud on each planted violation."""

import io
from collections.abc import Callable, Iterator
from contextlib import closing
from uuid import UUID

import pytest

from docmill.adapters.s3 import S3Blobs, connect
from docmill.domain.task import Failure, Outcome, Pool
from docmill.ops.settings import StoreSettings
from docmill.testing.history import check
from docmill.testing.history_store import Store
from tests.stack.ledger import TENANT, Desk, desk, product, whole


@pytest.fixture
def ledger(database_url: str) -> Iterator[Desk]:
    with desk(database_url) as made:
        yield made


def busy(ledger: Desk) -> UUID:
    """Leave documents in every state, with retries, losses and a second run behind them."""
    ready = ledger.accept().document
    claim = ledger.claims(Pool.VALIDATOR)[0]
    ledger.ledger.fail(claim, Failure(outcome=Outcome.TRANSIENT, code="hiccup"))
    ledger.do("UPDATE task SET due_at = now() WHERE state = 'scheduled'")
    ledger.dispatch.promote()
    ledger.ledger.release(ledger.claims(Pool.VALIDATOR)[0])
    ledger.claims(Pool.VALIDATOR)
    ledger.do("UPDATE task SET lease_until = now() - interval '1 s' WHERE state = 'running'")
    ledger.dispatch.reap()
    ledger.work_off(pages=3, text=1)
    ledger.accept()
    for claim in ledger.claims(Pool.VALIDATOR):
        ledger.ledger.commit(claim, product(claim, pages=1))
    for claim in ledger.claims(Pool.OCR):
        ledger.ledger.commit(claim, whole(claim))
    ledger.lifecycle.cancel(TENANT, ledger.accept().document, by="test")
    again = ledger.accept().document
    ledger.work_off()
    ledger.lifecycle.retry(TENANT, again, by="test")
    ledger.work_off()
    ledger.expire(ledger.accept().document)
    ledger.claims(Pool.VALIDATOR)
    return ready


def kinds(url: str, store: Store | None = None) -> set[str]:
    return {each.kind for each in check(url, store)}


def test_a_sound_history_has_no_contradiction(ledger: Desk, database_url: str) -> None:
    busy(ledger)
    assert check(database_url) == []


FIRST = "(SELECT id FROM document WHERE state = 'ready' ORDER BY id LIMIT 1)"
PLANTED = {
    "an event is gone": ("gap", f"DELETE FROM event WHERE seq = 2 AND document_id = {FIRST}"),
    "a move is not allowed": (
        "illegal move",
        f"UPDATE event SET state = 'rejected' WHERE kind = 'validated' AND document_id = {FIRST}",
    ),
    "a state was never told": (
        "untold state",
        f"UPDATE document SET state = 'cancelled' WHERE id = {FIRST}",
    ),
    "a run ended twice": (
        "twice",
        f"UPDATE event SET kind = 'ready' WHERE kind = 'page_recognised' AND document_id = {FIRST}",
    ),
    "a page was told twice": (
        "twice",
        "UPDATE event SET data = jsonb_set(data, '{page}', '2') WHERE kind = 'page_recognised'",
    ),
    "a page came to nothing": (
        "unfinished",
        f"DELETE FROM artifact WHERE kind = 'page' AND page = 2 AND document_id = {FIRST}",
    ),
    "it was never assembled": (
        "unfinished",
        f"DELETE FROM output WHERE stage = 'assemble' AND document_id = {FIRST}",
    ),
    "nothing is left to do": (
        "hanging",
        "DELETE FROM task WHERE document_id IN (SELECT id FROM document WHERE state = 'received')",
    ),
    "a done task left nothing": ("no output", f"DELETE FROM output WHERE document_id = {FIRST}"),
    "an output is another's": ("foreign output", "UPDATE output SET token = 0 WHERE page = 2"),
    "an only page was assembled by another": (
        "foreign output",
        """UPDATE output o SET token = 0 WHERE stage = 'assemble' AND NOT EXISTS (
               SELECT FROM task WHERE document_id = o.document_id AND stage = 'assemble')""",
    ),
    "an output came of nothing": (
        "output without work",
        "UPDATE task SET state = 'dead', code = 'x' WHERE stage = 'recognise' AND page = 2",
    ),
    "a zombie committed too": (
        "twice",
        """INSERT INTO attempt (task_id, token, worker, started_at, ended_at, outcome)
           SELECT task_id, token + 10000, 'zombie', ended_at, ended_at, 'done'
             FROM attempt WHERE outcome = 'done' LIMIT 1""",
    ),
    "an attempt was never closed": (
        "open attempt",
        "UPDATE attempt SET ended_at = NULL, outcome = NULL WHERE outcome = 'released'",
    ),
    "two ran at once": (
        "overlap",
        "UPDATE attempt SET ended_at = now() + interval '1 h' WHERE outcome = 'lost'",
    ),
    "a loss was charged": (
        "overspent",
        """UPDATE task SET attempt = attempt + 1
            WHERE id IN (SELECT task_id FROM attempt WHERE outcome = 'lost')""",
    ),
    "an outage was charged": (
        "outage charged",
        "UPDATE attempt SET cause = 'store_down: 503' WHERE outcome = 'transient'",
    ),
    "a drain was charged": (
        "overspent",
        """UPDATE task SET crashes = crashes + 2
            WHERE id IN (SELECT task_id FROM attempt WHERE outcome = 'released')""",
    ),
    "a blob was given up": ("no blob", "UPDATE blob SET state = 'deleting'"),
    "an erase left rows": (
        "remains",
        """INSERT INTO audit_line (actor, action, tenant_id, document_id)
           SELECT 'test', 'document_erased', tenant_id, id FROM document LIMIT 1""",
    ),
}


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_violation_is_reported(ledger: Desk, database_url: str, name: str) -> None:
    kind, statement = PLANTED[name]
    busy(ledger)
    ledger.do(statement)
    assert kind in kinds(database_url)


def begin_upload(store: Store, key: str) -> None:
    """Put an unfinished upload in the object's place."""
    store.client.create_multipart_upload(Bucket=store.bucket, Key=key)
    store.client.delete_object(Bucket=store.bucket, Key=key)


def leave(_: Store, __: str) -> None:
    """Leave the object where it is."""


@pytest.fixture
def store(blob_settings: StoreSettings) -> Iterator[Store]:
    with closing(connect(blob_settings)) as client:
        yield Store(client, blob_settings.s3_bucket)


def stored(ledger: Desk, store: Store) -> str:
    """Accept a document whose object is really there; return its key."""
    document = ledger.accept().document
    row = ledger.document(document)
    put = S3Blobs(store.client, store.bucket).put(
        row["key"], io.BytesIO(b"0123456789"), media_type="text/plain"
    )
    ledger.do(
        "UPDATE document SET sha256 = %(sha)s WHERE id = %(id)s",
        {"sha": put.sha256, "id": document},
    )
    return str(row["key"])


def test_objects_are_read_and_compared(ledger: Desk, database_url: str, store: Store) -> None:
    key = stored(ledger, store)
    assert check(database_url, store) == []
    store.client.put_object(Bucket=store.bucket, Key=key, Body=b"012345678X")
    assert kinds(database_url, store) == {"wrong bytes"}
    store.client.delete_object(Bucket=store.bucket, Key=key)
    assert kinds(database_url, store) == {"missing object"}


@pytest.mark.parametrize("left", [leave, begin_upload])
def test_what_an_erase_left_in_the_store_is_found(
    ledger: Desk, database_url: str, store: Store, left: Callable[[Store, str], None]
) -> None:
    left(store, stored(ledger, store))
    ledger.do(
        "INSERT INTO audit_line (actor, action, tenant_id, document_id)"
        " SELECT 'test', 'document_erased', tenant_id, id FROM document"
    )
    ledger.do("TRUNCATE document CASCADE")
    ledger.do("DELETE FROM blob")
    assert kinds(database_url, store) == {"remains"}
