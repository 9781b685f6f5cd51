"""What a tenant's documents take of its storage, counted without counting them all."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from docmill.adapters.postgres import accept
from docmill.adapters.postgres.accept import Acceptance
from docmill.domain.identifier import new_id
from tests.stack.ledger import TENANT, Desk, desk

SIZE = 10  # of each of the desk's documents


@pytest.fixture
def ledger(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    monkeypatch.setattr(accept, "SUMMED_UP_AFTER", 4)
    with desk(database_url) as made:
        yield made


def summed_up(ledger: Desk) -> int:
    return int(ledger.do("SELECT stored_bytes FROM tenant")[0]["stored_bytes"])


def counted(ledger: Desk) -> int:
    """What an upload counts: the sum, and what was accepted since."""
    return int(
        ledger.do(
            "SELECT max(stored_bytes) + coalesce(sum(size), 0) AS bytes FROM tenant"
            "  LEFT JOIN document ON accepted_at >= stored_until"
        )[0]["bytes"]
    )


def test_documents_are_summed_up_now_and_then(ledger: Desk) -> None:
    for _ in range(3):
        ledger.accept()
    assert summed_up(ledger) == 0
    for _ in range(6):
        ledger.accept()
    assert summed_up(ledger) >= 4 * SIZE
    assert counted(ledger) == 9 * SIZE


def test_documents_are_summed_up_though_no_upload_saw_their_very_number(
    ledger: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accept, "SUMMED_UP_AFTER", 100)
    for _ in range(5):
        ledger.accept()
    monkeypatch.setattr(accept, "SUMMED_UP_AFTER", 4)
    ledger.accept()
    assert summed_up(ledger) >= 5 * SIZE


def test_an_upload_on_its_way_is_counted_once_it_is_accepted(ledger: Desk) -> None:
    upload = ledger.reserved()
    for _ in range(4):
        ledger.accept()
    ledger.intake.accept(upload)
    assert counted(ledger) == 5 * SIZE


def test_an_upload_that_was_given_up_keeps_nothing_from_being_summed_up(ledger: Desk) -> None:
    ledger.intake.discard(ledger.reserved().key)
    for _ in range(6):
        ledger.accept()
    assert summed_up(ledger) >= 4 * SIZE


def test_a_full_storage_is_full_to_the_byte_however_it_was_summed_up(ledger: Desk) -> None:
    ledger.do("UPDATE tenant SET max_file_bytes = 10, max_storage_bytes = 109")
    answers = [ledger.accept().acceptance for _ in range(12)]
    assert answers.count(Acceptance.ACCEPTED) == 10


def test_what_is_gone_makes_room_though_it_was_summed_up(ledger: Desk) -> None:
    ledger.do("UPDATE tenant SET max_file_bytes = 10, max_storage_bytes = 89")
    for _ in range(8):
        ledger.accept()
    assert summed_up(ledger) == 8 * SIZE
    ledger.do("UPDATE document SET state = 'expired'")
    key = f"{TENANT}/x/original"
    assert ledger.intake.reserve(
        tenant=TENANT, document=new_id(), key=key, size=SIZE, patience=timedelta(hours=1)
    )
    assert ledger.accept().acceptance is Acceptance.ACCEPTED
