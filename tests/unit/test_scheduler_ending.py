from uuid import UUID, uuid4

import pytest

from docmill.domain.errors import DatabaseBusy, DatabaseDown
from docmill_scheduler.ending import NotAllEnded, end_all
from docmill_scheduler.job import Permit


class Book:
    """Documents that are due until they are ended."""

    def __init__(self, count: int) -> None:
        self.due = [uuid4() for _ in range(count)]
        self.faults: dict[UUID, Exception] = {}

    def first(self) -> list[UUID]:
        return self.due[:2]

    def end(self, document: UUID) -> bool:
        if document in self.faults:
            raise self.faults[document]
        self.due.remove(document)
        return True


def test_all_that_is_due_is_ended_batch_by_batch() -> None:
    book = Book(5)
    assert end_all(book.first, book.end, Permit()) == 5
    assert book.due == []


def test_one_that_fails_holds_up_no_other_and_is_told_at_the_end() -> None:
    book = Book(4)
    bad = book.due[0]
    book.faults[bad] = ValueError("no")
    with pytest.raises(NotAllEnded, match=f"1 failed, first {bad}: ValueError: no"):
        end_all(book.first, book.end, Permit())
    assert book.due == [bad]


def test_an_outage_ends_the_round_at_once() -> None:
    book = Book(4)
    book.faults[book.due[1]] = DatabaseDown("gone")
    with pytest.raises(DatabaseDown):
        end_all(book.first, book.end, Permit())
    assert len(book.due) == 3


def test_one_that_somebody_else_holds_holds_up_no_other() -> None:
    book = Book(4)
    held = book.due[0]
    book.faults[held] = DatabaseBusy("lock timeout")
    with pytest.raises(NotAllEnded, match="1 failed"):
        end_all(book.first, book.end, Permit())
    assert book.due == [held]
