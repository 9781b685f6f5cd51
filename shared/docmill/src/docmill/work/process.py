"""A child process as its worker sees it: started, given jobs, watched, killed and reaped."""

import os
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from resource import struct_rusage
from typing import IO, Final

import psutil

from docmill.ops.logging import logger
from docmill.ports import go_on
from docmill.work.failure import (
    ChildCrashed,
    ChildUnfit,
    DeadlinePassed,
    Hopeless,
    OutOfMemory,
    OutOfScratch,
    StageFailed,
)
from docmill.work.folder import ChildFolder
from docmill.work.protocol import BadFrame, Channel, Closed, Frame, job_frame, result_of
from docmill.work.spawner import Spawner, signal_name
from docmill.work.stage import Job, StageResult

log = logger(__name__)

_POLL: Final = 0.1  # seconds between looks at a child that works
_MEASURE: Final = 0.25  # seconds between walks through its scratch directory
_GRACE: Final = 1.0  # seconds from SIGTERM to SIGKILL
_REAP: Final = 5.0  # seconds for the kernel to end what was killed
_TAIL: Final = 4096  # bytes of stderr that are kept


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildSpec:
    """How a pool's children are made and what they may take. Sizes are in bytes."""

    stages: str  # the module that names them
    settings: Mapping[str, str] = field(default_factory=dict)
    uid: int
    readable: Sequence[Path] = ()
    memory: int
    file_size: int
    scratch_size: int
    may_exec: bool = False
    start_within: timedelta = timedelta(seconds=60)

    def setup(self, folder: ChildFolder) -> Frame:
        """Return the first frame a child is sent."""
        return {
            "stages": self.stages,
            "settings": dict(self.settings),
            "uid": self.uid,
            "readable": [str(path) for path in self.readable],
            "memory": self.memory,
            "file_size": self.file_size,
            "may_exec": self.may_exec,
            "inputs": str(folder.inputs),
            "scratch": str(folder.scratch),
        }


@dataclass(frozen=True, slots=True)
class Hello:
    """What a child tells once it is warm and its sandbox is closed."""

    missing: tuple[str, ...]  # protections that this platform lacks
    engines: Mapping[str, str]  # by stage, with their versions


class ChildProcess:
    """One child, owned by one thread at a time.

    `fit` is False from the first doubt on: it must not get another job.
    """

    def __init__(self, spawner: Spawner, spec: ChildSpec, folder: ChildFolder) -> None:
        self.folder = folder
        self.fit = True
        self.crashed = False
        self.jobs = 0
        self.peak = 0  # bytes it was last seen with at most, in its present or last job
        self._grace = 0.0  # an idle child has nothing to put in order
        self._spec = spec
        self._hello: Hello | None = None
        self._started = time.monotonic()
        self._process: subprocess.Popen[bytes] = spawner.start(folder.path)
        self._stderr = _Tail(_pipe(self._process.stderr))
        self._channel = Channel(
            _pipe(self._process.stdout).fileno(), _pipe(self._process.stdin).fileno()
        )
        self._watched = psutil.Process(self._process.pid)
        self._base = 0  # bytes resident once warm
        with suppress(Closed):  # it died at once: `ready` says why
            self._channel.send(spec.setup(folder))

    @property
    def pid(self) -> int:
        """Its process id, which is also its session and process group."""
        return self._process.pid

    def ready(self, check: Callable[[], None] = go_on) -> Hello:
        """Wait until it is warm; raise ChildUnfit when it does not come up.

        `check` is called often and raises to wait no longer; the child goes on.
        """
        if self._hello is None:
            self._hello = self._greeted(check)
            self._base = self._resident()
            log.debug("child_ready", pid=self.pid, seconds=round(self.age, 3))
        return self._hello

    @property
    def warm(self) -> bool:
        """Whether it has said hello."""
        return self._hello is not None

    @property
    def age(self) -> float:
        """Seconds since it was started."""
        return time.monotonic() - self._started

    def run(self, job: Job, *, within: timedelta, check: Callable[[], None]) -> StageResult:
        """Do the job in the child; `check` is called often and raises to have it stopped.

        Raise Hopeless, StageFailed, ChildCrashed (and its kinds) or DeadlinePassed. Unless it was
        one of the first two the child is left unfit.
        """
        self.jobs += 1
        self.peak = 0
        self.fit = False
        seconds = within.total_seconds()
        until = time.monotonic() + seconds
        with self._deaths_explained():
            # Processor time is a second line behind the deadline, for a supervisor that stalls.
            self._channel.send(
                {"serial": self.jobs, "job": job_frame(job), "cpu_seconds": 2 * seconds + 10},
                within=seconds,
            )
            frame = self._reply(until, check)
            result = None if "done" not in frame else result_of(frame["done"], job.scratch)
        if result is None:
            self.fit = "permanent" in frame or "transient" in frame
            raise self._refusal(frame)
        self.fit = True
        return result

    def end(self) -> None:
        """Kill it with all that it started, reap them and remove its folder. Twice is safe."""
        if self._process.returncode is None:
            descendants = _descendants(self._watched)
            if self._grace:
                self._signal(signal.SIGTERM)
                self._reaped_within(self._grace)
            self._kill(descendants)
        _reap_group(self.pid)
        self._close()
        self.folder.remove()

    def _greeted(self, check: Callable[[], None]) -> Hello:
        until = self._started + self._spec.start_within.total_seconds()
        try:
            while (frame := self._channel.receive(within=_POLL)) is None:
                check()
                if time.monotonic() >= until:
                    raise ChildUnfit("not warm in time")
        except (Closed, BadFrame) as error:
            raise ChildUnfit(self._death()) from error
        if "unfit" in frame:
            log.error("child_unfit", trace=frame.get("trace"))
            raise ChildUnfit(str(frame["unfit"]))
        return Hello(tuple(frame["missing"]), frame["engines"])

    @contextmanager
    def _deaths_explained(self) -> Iterator[None]:
        try:
            yield
        except Closed as error:
            raise ChildCrashed(self._death()) from error
        except BadFrame as error:
            raise ChildCrashed("answered with what is no frame") from error
        except TimeoutError as error:
            raise DeadlinePassed("did not take its job") from error

    def _reply(self, until: float, check: Callable[[], None]) -> Frame:
        measured = time.monotonic()
        while (frame := self._channel.receive(within=_POLL)) is None:
            check()
            self._check_memory()
            now = time.monotonic()
            if now >= until:
                self._grace = _GRACE
                raise DeadlinePassed("ran past its deadline and was killed")
            if now - measured >= _MEASURE:
                self._check_scratch()
                measured = now
        self.peak = max(self.peak, self._resident())
        if frame.get("serial") != self.jobs:
            raise BadFrame("an answer to another job")
        return frame

    def _check_memory(self) -> None:
        resident = self._resident()
        self.peak = max(self.peak, resident)
        if resident > self._base + self._spec.memory:
            raise OutOfMemory(f"{resident >> 20} MB resident")

    def _check_scratch(self) -> None:
        try:
            written = self.folder.scratch_bytes()
        except OSError as error:
            raise OutOfScratch(f"what it wrote cannot be counted: {error}") from error
        if written > self._spec.scratch_size:
            raise OutOfScratch(f"{written >> 20} MB written")

    def _resident(self) -> int:
        family = [self._watched]
        if self._spec.may_exec:
            family += _descendants(self._watched)
        return sum(_resident(process) for process in family)

    def _refusal(self, frame: Frame) -> Hopeless | StageFailed | ChildCrashed:
        if "permanent" in frame:
            return Hopeless(str(frame["permanent"])[:64], str(frame.get("detail")))
        if "transient" in frame:
            log.warning("stage_failed", trace=frame.get("trace"))
            return StageFailed(str(frame["transient"]))
        if "memory" in frame:
            return OutOfMemory(str(frame["memory"]))
        return ChildCrashed("answered with what is no answer")

    def _death(self) -> str:
        """Say how it died of itself; kill what is left of it."""
        usage = self._reaped_within(_REAP)
        code = self._process.returncode
        self._signal(signal.SIGKILL)
        how = "no exit" if code is None else f"exit {code}" if code >= 0 else signal_name(-code)
        peak = f", peak {usage.ru_maxrss >> 10} MB" if usage else ""
        last = self._stderr.last_line()
        return f"{how}{peak}" + (f": {last}" if last else "")

    def _kill(self, descendants: Sequence[psutil.Process]) -> None:
        self._signal(signal.SIGKILL)
        for process in descendants:  # those that left the group
            with suppress(psutil.Error):
                process.kill()
        self._reaped_within(_REAP)
        for process in descendants:
            with suppress(ChildProcessError):
                os.waitpid(process.pid, os.WNOHANG)

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)

    def _reaped_within(self, seconds: float) -> struct_rusage | None:
        """Wait for its death and note it; return what it used, None when it lives on."""
        until = time.monotonic() + seconds
        pause = 0.0005
        while self._process.returncode is None:
            pid, status, usage = os.wait4(self.pid, os.WNOHANG)
            if pid:
                self._process.returncode = os.waitstatus_to_exitcode(status)
                return usage
            if time.monotonic() >= until:
                return None
            time.sleep(pause)
            pause = min(2 * pause, 0.02)
        return None

    def _close(self) -> None:
        for pipe in (self._process.stdin, self._process.stdout):
            _pipe(pipe).close()
        self._stderr.close()


class _Tail:
    """Drains a child's stderr, which would block it when full, and keeps the end of it."""

    def __init__(self, pipe: IO[bytes]) -> None:
        self._pipe = pipe
        self._kept: deque[bytes] = deque(maxlen=2)
        self._thread = threading.Thread(target=self._drain, name="child-stderr", daemon=True)
        self._thread.start()

    def last_line(self) -> str:
        self._thread.join(0.2)  # what it wrote as it died may still be on its way
        lines = b"".join(self._kept).decode(errors="replace").split("\n")
        said = [line.strip() for line in lines if line.strip()]
        return said[-1][:300] if said else ""

    def close(self) -> None:
        self._thread.join(1.0)
        if not self._thread.is_alive():  # else a descendant we may not kill holds the other end
            self._pipe.close()

    def _drain(self) -> None:
        while data := self._pipe.read(_TAIL):
            self._kept.append(data)


def _descendants(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.Error:
        return []


def _resident(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0


def _reap_group(group: int) -> None:
    """Reap what its death left to us, being the subreaper."""
    until = time.monotonic() + _REAP
    with suppress(ChildProcessError):  # none left
        while time.monotonic() < until:
            if os.waitpid(-group, os.WNOHANG) == (0, 0):
                time.sleep(0.001)


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    assert pipe is not None  # noqa: S101 - every pipe is asked for when a child is started
    return pipe
