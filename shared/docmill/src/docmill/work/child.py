"""The child process, `python -m docmill.work.child PARENT`: warm stages, one job at a time."""

import importlib
import itertools
import os
import signal
import sys
import tempfile
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NoReturn

from docmill.domain.errors import Permanent
from docmill.domain.task import Stage
from docmill.ops.middleware import Unforeseen, attempted
from docmill.work import heap, prctl, sandbox
from docmill.work.protocol import Channel, Closed, Frame, job_of, result_frame
from docmill.work.sandbox import Confinement
from docmill.work.stage import StageWork

Works = Mapping[Stage, StageWork]

_TIDY_EVERY: Final = 32  # jobs; having the buffers zeroed again costs one of them 55 ms at most


def main() -> None:
    """Take the set-up frame, warm the stages, close the sandbox, then do jobs until the end."""
    parent = int(sys.argv[1])
    missing = _bind_life_to(parent)
    channel = _channel()
    setup = channel.receive()
    assert setup is not None  # noqa: S101 - without a time-out there is a frame, or Closed
    missing += sandbox.drop_root(setup["uid"])
    missing += _bind_life_to(parent)  # forgotten with the change of user
    if setup["may_exec"]:
        _post_sentry()
    works = attempted(lambda: _warmed(setup))
    if isinstance(works, Unforeseen):
        channel.send({"unfit": str(works), "trace": _trace(works.error)})
        sys.exit(1)
    missing += sandbox.enter(_confinement(setup))
    engines = {stage: work.engine for stage, work in works.items()}
    channel.send({"missing": sorted(set(missing)), "engines": engines})
    for number in itertools.count(1):
        _do_next(works, channel)
        if number % _TIDY_EVERY == 0:
            heap.tidy()


def _bind_life_to(parent: int) -> tuple[str, ...]:
    missing = []
    for protection, protect in (
        ("pdeathsig", prctl.die_with_parent),
        ("dumpable", prctl.hide_memory),
    ):
        try:
            protect()
        except OSError:
            missing.append(protection)
    if os.getppid() != parent:  # it ended before the kernel knew that we should end with it
        os._exit(1)
    return tuple(missing)


def _channel() -> Channel:
    """Keep the two pipes to ourselves: what a library prints goes to stderr, not into a frame."""
    incoming, outgoing = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return Channel(incoming, outgoing)


def _post_sentry() -> None:
    """Start a process that kills our whole group once we end, however we end.

    The kernel's promise to end us with our parent does not hold for programs that we start.
    """
    watched, held = os.pipe()
    if os.fork() != 0:
        os.close(watched)
        return  # `held` stays open as long as this process lives, and no program inherits it
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.closerange(0, watched)
    os.closerange(watched + 1, held + 64)
    os.read(watched, 1)
    os.killpg(0, signal.SIGKILL)


def _warmed(setup: Frame) -> Works:
    kinds: Mapping[Stage, type[StageWork]] = importlib.import_module(setup["stages"]).STAGES
    _one_thread()
    works = {stage: kind(setup["settings"]) for stage, kind in kinds.items()}
    for work in works.values():
        work.warm()
    _one_thread()
    return works


def _one_thread() -> None:
    """OpenCV would start a pool of threads; every core has its own slot already."""
    if "cv2" in sys.modules:
        sys.modules["cv2"].setNumThreads(1)


def _confinement(setup: Frame) -> Confinement:
    return Confinement(
        inputs=Path(setup["inputs"]),
        scratch=Path(setup["scratch"]),
        readable=[Path(path) for path in setup["readable"]],
        memory=setup["memory"],
        file_size=setup["file_size"],
        may_exec=setup["may_exec"],
    )


def _do_next(works: Works, channel: Channel) -> None:
    frame = channel.receive()
    assert frame is not None  # noqa: S101 - as above
    sandbox.limit_cpu(frame["cpu_seconds"])
    tempfile.tempdir = frame["job"]["scratch"]
    done = attempted(lambda: _done(works, frame["job"]))
    told = _told(done.error) if isinstance(done, Unforeseen) else {"done": done}
    channel.send({**told, "serial": frame["serial"]})


def _done(works: Works, frame: Frame) -> dict[str, Any]:
    job = job_of(frame)
    return result_frame(works[job.stage].run(job))


def _told(error: Exception) -> dict[str, Any]:
    match error:
        case Permanent():
            return {"permanent": error.code, "detail": str(error) or error.remedy}
        case MemoryError():
            return {"memory": str(Unforeseen(error))}
        case _:
            return {"transient": str(Unforeseen(error)), "trace": _trace(error)}


def _trace(error: Exception) -> str:
    return "".join(traceback.format_exception(error))[-4000:]


def _run() -> NoReturn:
    try:
        main()
    except Closed:  # the worker went away in good order
        sys.exit(0)
    sys.exit(1)


if __name__ == "__main__":
    _run()
