"""A child process on its own, with nobody who watches over it."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from docmill.domain.document import Options
from docmill.domain.task import Stage
from docmill.testing.children import NOBODY, SPEC
from docmill.work.folder import Access, ChildFolder, workshop
from docmill.work.protocol import Channel, Frame, job_frame, result_of
from docmill.work.stage import Job, StageResult
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
        self.tell(name)
        frame = self.answer()
        assert frame["serial"] == 7
        return frame

    def tell(self, name: str, *, cpu_seconds: float = 20) -> None:
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
        self.channel.send({"serial": 7, "job": job_frame(job), "cpu_seconds": cpu_seconds})

    def run(self, job: Job, *, within: float = 60) -> StageResult:
        """Have it do a job of its stages."""
        self.channel.send({"serial": 1, "job": job_frame(job), "cpu_seconds": within})
        answer = self.channel.receive(within=within)
        assert answer is not None
        assert "done" in answer, answer
        return result_of(answer["done"], job.scratch)

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
    channel.send(replace(SPEC, **changes).setup(folder))
    return Child(process, channel, folder)
