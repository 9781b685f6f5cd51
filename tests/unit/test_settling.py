from dataclasses import replace

import pytest

from docmill.domain.document import State
from docmill.domain.settling import Assemble, End, Tally, Verdict, Wait, decide
from docmill.domain.task import TaskState

DONE, DEAD = TaskState.DONE, TaskState.DEAD
PLANNED = Tally(
    state=State.PROCESSING,
    partial_allowed=True,
    open=0,
    validate=DONE,
    validate_code=None,
    pages_planned=3,
    pages_read=3,
    pages_dead=0,
    page_code=None,
    assemble=None,
    assemble_code=None,
)
DEAD_PAGE = replace(PLANNED, pages_read=2, pages_dead=1, page_code="page_unreadable")
UNVALIDATED = replace(PLANNED, validate=DEAD, state=State.RECEIVED, pages_planned=0, pages_read=0)


@pytest.mark.parametrize(
    ("tally", "verdict"),
    [
        (replace(PLANNED, open=1), Wait()),
        (replace(PLANNED, state=State.CANCELLED), Wait()),
        (PLANNED, Assemble()),
        (replace(PLANNED, pages_planned=0, pages_read=0), Assemble()),
        (replace(PLANNED, assemble=DONE), End(State.READY)),
        (replace(PLANNED, assemble=DEAD, assemble_code="x"), End(State.FAILED, "x")),
        (DEAD_PAGE, Assemble()),
        (replace(DEAD_PAGE, partial_allowed=False), End(State.FAILED, "page_unreadable")),
        (replace(DEAD_PAGE, pages_read=0), End(State.FAILED, "page_unreadable")),
        (replace(DEAD_PAGE, open=1), Wait()),
    ],
)
def test_a_run_waits_assembles_or_ends(tally: Tally, verdict: Verdict) -> None:
    assert decide(tally) == verdict


@pytest.mark.parametrize(
    ("code", "verdict"),
    [
        ("encrypted_pdf", End(State.REJECTED, "encrypted_pdf")),
        ("crash", End(State.REJECTED, "unreadable")),
        ("too_slow", End(State.REJECTED, "unreadable")),
        ("attempts_spent", End(State.FAILED, "attempts_spent")),
        ("missing_original", End(State.FAILED, "missing_original")),
    ],
)
def test_a_file_is_blamed_only_for_itself(code: str, verdict: End) -> None:
    assert decide(replace(UNVALIDATED, validate_code=code)) == verdict


def test_a_later_run_fails_where_the_first_would_reject() -> None:
    later = replace(UNVALIDATED, state=State.PROCESSING, validate_code="corrupt_file")
    assert decide(later) == End(State.FAILED, "corrupt_file")
