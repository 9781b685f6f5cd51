"""How much processor time programs have used: this one, a child, a stack by its parts."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from resource import RUSAGE_CHILDREN, RUSAGE_SELF, getrusage

import psutil

from deploy.local.stack import Stack


def here() -> float:
    """Seconds of this process and of the children it has waited for."""
    own, ended = getrusage(RUSAGE_SELF), getrusage(RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + ended.ru_utime + ended.ru_stime


def of_process(pid: int) -> Callable[[], float]:
    """Return what reads the seconds of a living process and of those it has waited for."""
    process = psutil.Process(pid)
    return lambda: sum(process.cpu_times()[:4])


def with_process(pid: int) -> Callable[[], float]:
    """Return what reads the seconds of this process and of another that is not its child's."""
    other = of_process(pid)
    return lambda: here() + other()


def of_stack(stack: Stack) -> dict[str, float]:
    """Seconds by part: each server and service, the workers' children beside their parents."""
    parts: dict[str, float] = {}
    for process in stack.processes:
        if (pid := process.pid) is not None:
            own, below = _family(pid)
            if process.name in stack.services:
                parts[process.name] = own
                parts[f"{process.name} children"] = below
            else:
                parts[process.name] = own + below
    return {name: seconds for name, seconds in parts.items() if seconds}


def between(before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, float]:
    return {name: seconds - before.get(name, 0.0) for name, seconds in after.items()}


def _family(pid: int) -> tuple[float, float]:
    """Seconds of the process alone, and of all that it has or had below it."""
    root = psutil.Process(pid)
    times = root.cpu_times()
    below = times.children_user + times.children_system
    for child in root.children(recursive=True):
        with suppress(psutil.Error):  # it ended meanwhile: its parent has its time now
            below += sum(child.cpu_times()[:4])
    return times.user + times.system, below
