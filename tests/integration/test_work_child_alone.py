"""The child as a program: what it answers frame by frame, and how it leaves."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from docmill.domain.document import Options
from docmill.domain.task import Stage
from docmill.testing.children import NOBODY, PLAN
from docmill.work.folder import Access, ChildFolder, workshop
from docmill.work.protocol import Channel, Closed, Frame, job_frame
from docmill.work.stage import Job
from tests.stack.measure import collect, measured_into

ACCESS = Access(NOBODY if os.geteuid() == 0 else None)


@dataclass
class Child:
    """A child that nobody watches over."""

    process: subprocess.Popen[bytes]
    channel: Channel
    folder: ChildFolder

    def answer(self) -> Frame:
        frame = self.channel.receive(within=30)
        assert frame is not None
        return frame

    def told(self, name: str) -> Frame:
        """Send the job that has it do what the name says; return its answer."""
        job = Job(
            stage=Stage.RECOGNISE,
            page=1,
            options=Options(),
            original=self.folder.inputs / "original",
            name=name,
            pages={},
            plan=None,
            scratch=self.folder.fresh_scratch(),
            limits={},
        )
        self.channel.send({"serial": 7, "job": job_frame(job), "cpu_seconds": 20})
        frame = self.answer()
        assert frame["serial"] == 7
        return frame

    def left(self) -> int:
        """Close its pipe, as a worker does that goes away; return its exit code."""
        assert self.process.stdin
        self.process.stdin.close()
        return self.process.wait(timeout=30)


@contextmanager
def started(parent: int | None = None, **changes: Any) -> Iterator[Child]:
    with workshop(Path(tempfile.gettempdir()), ACCESS) as root:
        folder = ChildFolder(root / "child", ACCESS)
        (folder.inputs / "original").write_text("hello")
        ACCESS.readable(folder.inputs / "original")
        with subprocess.Popen(
            [sys.executable, "-I", "-m", "docmill.work.child", str(parent or os.getpid())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            start_new_session=True,
            env={"PATH": "/usr/bin:/bin", **measured_into(folder.scratch)},
        ) as process:
            try:
                yield _child(process, folder, changes)
            finally:
                process.kill()
        collect(folder.scratch)


def _child(process: subprocess.Popen[bytes], folder: ChildFolder, changes: dict[str, Any]) -> Child:
    assert process.stdin
    assert process.stdout
    channel = Channel(process.stdout.fileno(), process.stdin.fileno())
    channel.send(replace(PLAN, **changes).setup(folder))
    return Child(process, channel, folder)


def test_it_says_hello_answers_each_job_and_leaves_with_its_worker() -> None:
    with started() as child:
        assert child.answer()["missing"] == []
        done = child.told("echo")["done"]
        assert (done["facts"], done["made"]) == (
            {"said": "hello"},
            [["page", 1, "out", "text/plain"]],
        )
        assert done["peak"] > 2**20
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
