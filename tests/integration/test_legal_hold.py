"""A document that must be kept, whatever else says to let it go."""

from collections.abc import Iterator

import pytest

from docmill.adapters.postgres.lifecycle import Answer
from docmill.adapters.postgres.retention import PostgresRetention
from tests.stack.ledger import TENANT, Desk, desk


@pytest.fixture
def ledger(database_url: str) -> Iterator[Desk]:
    with desk(database_url) as made:
        yield made


def test_a_held_document_is_neither_erased_nor_expired(ledger: Desk) -> None:
    document = ledger.accept().document
    ledger.work_off()
    assert ledger.lifecycle.hold(document, reason="case 7", by="me") is Answer.DONE
    assert ledger.lifecycle.hold(document, reason="case 7", by="me") is Answer.ALREADY
    assert ledger.lifecycle.erase(TENANT, document, by="me") is Answer.CONFLICT
    ledger.expire(document)
    assert PostgresRetention(ledger.database).expired(10) == []
    assert ledger.document(document)["state"] == "ready"
    assert ledger.lifecycle.hold(document, reason=None, by="me") is Answer.DONE
    ledger.expire(document)
    assert ledger.document(document)["state"] == "expired"
    actions = [row["action"] for row in ledger.do("SELECT action FROM audit_line ORDER BY id")]
    assert actions == ["document_held", "document_released"]


def test_what_is_being_erased_cannot_be_held(ledger: Desk) -> None:
    document = ledger.accept().document
    ledger.lifecycle.erase(TENANT, document, by="me")
    assert ledger.lifecycle.hold(document, reason="late", by="me") is Answer.MISSING
