"""Whatever a child's limits are, who goes beyond one is told which, and the next job is done."""

import signal
from collections.abc import Iterator
from datetime import timedelta
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docmill.ports import go_on
from docmill.testing.children import Keeper, keeper
from docmill.work.adopt import adopt
from docmill.work.failure import ChildCrashed, OutOfMemory, OutOfScratch, StageFailed
from docmill.work.process import ChildProcess
from docmill.work.protocol import MOST, Closed
from docmill.work.stage import StageResult
from tests.stack.child import started
from tests.stack.properties import tried

MEGABYTE: Final = 2**20


@pytest.fixture
def kept() -> Iterator[Keeper]:
    with keeper() as made:
        yield made


@pytest.fixture
def child(kept: Keeper) -> ChildProcess:
    return kept.child()


def goes_on(kept: Keeper, child: ChildProcess, **limits: int) -> None:
    """The next job is done: by the same child where it is fit, else by the next one."""
    after = child if child.fit else kept.child(**limits)
    assert kept.say(after, "echo") == "hello"
    child.end()
    after.end()


@tried(4)
@given(megabytes=st.integers(64, 256), part=st.floats(0.1, 0.6), beyond=st.integers(64, 1000))
def test_memory(kept: Keeper, megabytes: int, part: float, beyond: int) -> None:
    """Within its limit a job has all that it asks for."""
    child = kept.child(memory=megabytes * MEGABYTE)
    within = str(int(megabytes * part))
    assert kept.say(child, f"hog {within}") == within
    with pytest.raises(OutOfMemory):
        kept.run(child, f"hog {megabytes + beyond}")
    goes_on(kept, child, memory=megabytes * MEGABYTE)


@tried(4)
@given(megabytes=st.integers(1, 24))
def test_a_files_size(kept: Keeper, megabytes: int) -> None:
    limits = {"file_size": megabytes * MEGABYTE, "scratch_size": 256 * MEGABYTE}
    child = kept.child(**limits)
    with pytest.raises(StageFailed, match="File too large"):
        kept.run(child, "large_file")
    assert (child.folder.scratch / "1" / "large").stat().st_size == megabytes * MEGABYTE
    assert child.fit
    goes_on(kept, child)


@tried(4)
@given(megabytes=st.integers(2, 48))
def test_scratch(kept: Keeper, megabytes: int) -> None:
    limits = {"scratch_size": megabytes * MEGABYTE}
    child = kept.child(**limits)
    with pytest.raises(OutOfScratch):
        kept.run(child, "fill_disk")
    assert not child.fit
    goes_on(kept, child, **limits)


def echoed(kept: Keeper, child: ChildProcess, text: str) -> StageResult:
    """Have the child read a file of that text, write it out and say it."""
    child.ready()
    job = kept.job(child, "echo", text=text)
    return child.run(job, within=timedelta(seconds=20), check=go_on)


@tried(20)
@given(most=st.integers(0, 64), size=st.integers(0, 128))
def test_an_outputs_size(kept: Keeper, child: ChildProcess, most: int, size: int) -> None:
    made = echoed(kept, child, "x" * size).made[0]
    into = kept.root / f"adopted-{child.jobs}"
    if size > most:
        with pytest.raises(ChildCrashed, match="too large"):
            adopt(made, into, most=most)
    else:
        assert adopt(made, into, most=most).size == size


@tried(4)
@given(beyond=st.integers(0, 16 * MEGABYTE))
def test_an_answers_size(kept: Keeper, beyond: int) -> None:
    child = kept.child(file_size=64 * MEGABYTE)
    with pytest.raises(ChildCrashed, match="no frame"):
        echoed(kept, child, "x" * (MOST + beyond))
    assert not child.fit
    goes_on(kept, child)


@tried(2)
@given(seconds=st.floats(0, 1))
def test_processor_time(seconds: float) -> None:
    """The kernel ends who spends it, though nobody watches."""
    with started() as child:
        child.answer()
        child.tell("backtrack", cpu_seconds=seconds)
        with pytest.raises(Closed):
            child.answer()
        assert child.process.wait(timeout=30) == -signal.SIGXCPU
    with started() as after:
        after.answer()
        assert after.told("echo")["done"]["facts"] == {"said": "hello"}
