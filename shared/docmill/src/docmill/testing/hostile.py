"""A cabinet of stages that misbehave, each asked for by the document's name."""

import ctypes
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from docmill.domain.document import ArtifactKind
from docmill.domain.rejection import CorruptFile, PageUnreadable
from docmill.domain.task import Stage
from docmill.work.stage import Job, Made, StageResult

_MEGABYTE = 2**20
_kept: list[bytes | bytearray] = []


class Hostile:
    """Behaves like the method that the job's name names; `echo` is the good one."""

    engine = "test 1"

    def __init__(self, settings: Mapping[str, str]) -> None:
        self._settings = settings

    def warm(self) -> None:
        time.sleep(float(self._settings.get("DOCMILL_WARM_SECONDS", 0)))
        if fault := self._settings.get("DOCMILL_WARM_FAULT"):
            raise RuntimeError(fault)

    def run(self, job: Job) -> StageResult:
        name, _, argument = job.name.partition(" ")
        behaviour: Callable[[Job, str], str] = getattr(self, name)
        return _outcome(job, behaviour(job, argument))

    def noop(self, _: Job, __: str) -> str:
        return ""

    def echo(self, job: Job, _: str) -> str:
        return job.original.read_text()

    def join(self, job: Job, _: str) -> str:
        return "".join(job.pages[page].read_text() for page in sorted(job.pages))

    def assembling(self, job: Job, behaviour: str) -> str:
        """Read a page well, and do something else when it is to assemble."""
        if job.stage is not Stage.ASSEMBLE:
            return self.echo(job, "")
        name, _, argument = behaviour.partition(" ")
        then: Callable[[Job, str], str] = getattr(self, name)
        return then(job, argument)

    def pid(self, _: Job, __: str) -> str:
        return str(os.getpid())

    def environment(self, _: Job, __: str) -> str:
        return "\n".join(f"{name}={value}" for name, value in sorted(os.environ.items()))

    # ── deaths ──────────────────────────────────────────────────────────────────────────────────
    def segfault(self, _: Job, __: str) -> str:
        return ctypes.string_at(0).decode()

    def abort(self, _: Job, __: str) -> str:
        sys.stderr.write("terminate called after throwing 'boom'\n")
        os.abort()

    def leave(self, _: Job, status: str) -> str:
        os._exit(int(status))

    def signalled(self, _: Job, name: str) -> str:
        os.kill(os.getpid(), signal.Signals[name])
        return ""

    # ── greed ───────────────────────────────────────────────────────────────────────────────────
    def hog(self, _: Job, megabytes: str) -> str:
        _kept.extend(bytearray(b"x" * _MEGABYTE) for _each in range(int(megabytes)))
        return megabytes

    def fill_disk(self, job: Job, _: str) -> str:
        for number in range(10_000):
            (job.scratch / str(number)).write_bytes(bytes(_MEGABYTE))
        return ""

    def large_file(self, job: Job, _: str) -> str:
        with (job.scratch / "large").open("wb") as file:
            while True:
                file.write(bytes(_MEGABYTE))

    def flood(self, _: Job, megabytes: str) -> str:
        for _each in range(int(megabytes)):
            sys.stdout.write("x" * _MEGABYTE)
            sys.stderr.write("y" * _MEGABYTE + "\n")
        return megabytes

    def fork_bomb(self, _: Job, __: str) -> str:
        while True:
            os.fork()

    # ── slowness ────────────────────────────────────────────────────────────────────────────────
    def sleep(self, _: Job, seconds: str) -> str:
        time.sleep(float(seconds))
        return seconds

    def backtrack(self, _: Job, __: str) -> str:
        """Spend for ever in C code that holds the interpreter."""
        re.match(r"(a+)+$", "a" * 64 + "b")
        return ""

    def ignore_sigterm(self, _: Job, seconds: str) -> str:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        return self.sleep(_, seconds)

    # ── verdicts ────────────────────────────────────────────────────────────────────────────────
    def reject(self, _: Job, detail: str) -> str:
        raise CorruptFile(detail)

    def unreadable(self, _: Job, detail: str) -> str:
        raise PageUnreadable(detail)

    def stumble(self, _: Job, detail: str) -> str:
        raise RuntimeError(detail)

    # ── trespasses ──────────────────────────────────────────────────────────────────────────────
    def connect(self, _: Job, port: str) -> str:
        return _attempt(lambda: str(socket.create_connection(("127.0.0.1", int(port)), 1)))

    def read(self, _: Job, path: str) -> str:
        return _attempt(lambda: repr(Path(path).read_bytes()[:200]))

    def look_into(self, _: Job, path: str) -> str:
        return _attempt(lambda: list(Path(path).iterdir()))

    def write(self, _: Job, path: str) -> str:
        return _attempt(lambda: str(Path(path).write_text("mine")))

    def run_program(self, _: Job, program: str) -> str:
        done = _attempt(lambda: subprocess.run([program], check=True, capture_output=True).stdout)
        return str(done)

    def fork(self, _: Job, __: str) -> str:
        return _attempt(lambda: str(os.fork()))

    def kill(self, _: Job, target: str) -> str:
        pid = os.getppid() if target == "parent" else int(target)
        return _attempt(lambda: os.kill(pid, signal.SIGTERM))

    def trace(self, _: Job, target: str) -> str:
        pid = os.getppid() if target == "parent" else int(target)
        libc = ctypes.CDLL(None, use_errno=True)
        attach = 16
        refused = libc.ptrace(attach, pid, 0, 0) != 0
        return os.strerror(ctypes.get_errno()) if refused else "attached"

    def descriptors(self, _: Job, __: str) -> str:
        return " ".join(str(fd) for fd in range(256) if _open(fd))

    def grandchildren(self, job: Job, seconds: str) -> str:
        """Leave programs running, some that ignore SIGTERM; needs a child that may exec."""
        stubborn = f"trap '' TERM; sleep {seconds}"
        for command in (["sleep", seconds], ["sh", "-c", stubborn]):
            subprocess.Popen(command)
        (job.scratch / "started").touch()
        return self.sleep(job, seconds)

    def link(self, job: Job, target: str) -> str:
        """Hand in a link to a file that is none of ours."""
        (job.scratch / "out").symlink_to(target)
        return ""


def _attempt(trespass: Callable[[], object]) -> str:
    try:
        return f"allowed {trespass()!s}"
    except OSError as error:
        return f"refused {type(error).__name__}"


def _open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


def _outcome(job: Job, said: str) -> StageResult:
    path = job.scratch / "out"
    path.write_text(said)
    kind = ArtifactKind.TEXT if job.stage is Stage.ASSEMBLE else ArtifactKind.PAGE
    made = Made(kind=kind, page=job.page, path=path, media_type="text/plain")
    return StageResult(made=(made,), engine=Hostile.engine, facts={"said": said})


STAGES = dict.fromkeys(Stage, Hostile)
