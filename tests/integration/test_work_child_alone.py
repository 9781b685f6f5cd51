"""The child as a program: what it answers frame by frame, and how it leaves."""

import pytest

from docmill.work.protocol import Closed
from tests.stack.child import started


def test_it_says_hello_answers_each_job_and_leaves_with_its_worker() -> None:
    with started() as child:
        assert child.answer()["missing"] == []
        done = child.told("echo")["done"]
        assert (done["facts"], done["made"]) == (
            {"said": "hello"},
            [["page", 1, "out", "text/plain"]],
        )
        assert child.told("connect 1")["done"]["facts"]["said"].startswith("refused")
        assert child.left() == 0


def test_it_tells_why_a_job_failed_and_goes_on() -> None:
    with started() as child:
        child.answer()
        assert child.told("reject no trailer")["permanent"] == "corrupt_file"
        failed = child.told("stumble over it")
        assert failed["transient"] == "RuntimeError: over it"
        assert "hostile.py" in failed["trace"]
        assert "memory" in child.told("hog 5000")
        assert child.left() == 0


def test_with_programs_it_has_a_sentry_and_may_start_them() -> None:
    with started(may_exec=True) as child:
        assert child.answer()["missing"] == []
        assert child.told("run_program /bin/true")["done"]["facts"]["said"] == "allowed b''"
        assert child.left() in {0, -9}  # the sentry kills the group, and may be the faster


def test_it_tells_what_keeps_it_from_warming() -> None:
    with started(settings={"DOCMILL_WARM_FAULT": "no model"}) as child:
        frame = child.answer()
        assert frame["unfit"] == "RuntimeError: no model"
        assert "warm" in frame["trace"]
        assert child.process.wait(timeout=30) == 1


def test_it_leaves_when_its_worker_is_another() -> None:
    with started(parent=1) as child:
        with pytest.raises(Closed):
            child.answer()
        assert child.process.wait(timeout=30) == 1
