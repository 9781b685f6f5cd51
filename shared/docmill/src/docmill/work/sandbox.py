"""The sandbox a child closes around itself once its stages are warm."""

import os
import resource
import sys
import sysconfig
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from docmill.work import landlock, prctl, seccomp
from docmill.work.landlock import READ, WRITE, Access, Allowance

_PAGE_SIZE: Final = resource.getpagesize()
_OPEN_FILES: Final = 256
# A bound on fork bombs, not a budget: the kernel counts every process of the user.
_PROCESSES: Final = 4096
_SYSTEM: Final = (
    "/usr/lib", "/usr/lib64", "/usr/local/lib", "/lib", "/lib64", "/etc/ld.so.cache",
    "/usr/share/fonts", "/usr/share/tesseract-ocr", "/usr/share/tessdata", "/usr/share/zoneinfo",
    "/etc/localtime", "/dev/urandom", "/dev/random", "/dev/zero",
)  # fmt: skip
_PROGRAMS: Final = ("/usr/bin", "/bin", "/usr/local/bin")


@dataclass(frozen=True, slots=True, kw_only=True)
class Confinement:
    """What a child is held to."""

    inputs: Path  # readable
    scratch: Path  # writable
    readable: Sequence[Path]  # what its stages read besides: models, fonts
    memory: int  # bytes of address space above what the imports took
    file_size: int  # bytes of the largest file
    may_exec: bool


def enter(confinement: Confinement) -> tuple[str, ...]:
    """Close the sandbox for ever; return the names of the protections this platform lacks.

    The process must have one thread: Landlock holds only the calling thread and those it starts.
    """
    missing: list[str] = []
    refusals = seccomp.refusals(may_exec=confinement.may_exec)  # first: it may start a program
    if _threads() > 1:
        missing.append("landlock")
    try:
        _limit(confinement)
    except (OSError, ValueError):
        missing.append("limits")
    try:
        prctl.give_up_privileges()
    except OSError:
        missing.append("no_new_privs")
    missing += landlock.restrict(_allowed(confinement))
    if not _enforced(refusals):
        missing += ["seccomp", "network"]  # Landlock knows TCP only
    return tuple(sorted(set(missing)))


def _enforced(refusals: seccomp.Refusals | None) -> bool:
    if refusals is None:
        return False
    try:
        refusals.enforce()
    except OSError:
        return False
    return True


def drop_root(uid: int) -> tuple[str, ...]:
    """Become the unprivileged user when root, and no member of any other group."""
    if os.geteuid() != 0:
        return ()
    try:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
    except OSError:
        return ("uid",)
    return ()


def limit_cpu(seconds: float) -> None:
    """Have the kernel kill this process after so much more processor time, or as inherited."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    soft = int(used.ru_utime + used.ru_stime + seconds) + 1
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (_within(soft, hard), hard))


def _limit(confinement: Confinement) -> None:
    space = _address_space() + confinement.memory
    resource.setrlimit(resource.RLIMIT_AS, (space, space))
    resource.setrlimit(resource.RLIMIT_FSIZE, (confinement.file_size, confinement.file_size))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (_OPEN_FILES, _OPEN_FILES))
    _, hard = resource.getrlimit(resource.RLIMIT_NPROC)
    most = _within(_PROCESSES, hard)
    resource.setrlimit(resource.RLIMIT_NPROC, (most, most))


def _within(wanted: int, hard: int) -> int:
    return wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)


def _address_space() -> int:
    pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[0]
    return int(pages) * _PAGE_SIZE


def _threads() -> int:
    return len(list(Path("/proc/self/task").iterdir()))


def _allowed(confinement: Confinement) -> Iterator[Allowance]:
    libraries = READ | Access.EXECUTE if confinement.may_exec else READ
    for path in {*_SYSTEM, *_python(), *map(str, confinement.readable)}:
        yield Allowance(Path(path), libraries)
    if confinement.may_exec:
        for path in _PROGRAMS:
            yield Allowance(Path(path), libraries)
    yield Allowance(confinement.inputs, READ)
    yield Allowance(confinement.scratch, WRITE)
    yield Allowance(Path("/dev/null"), READ | Access.WRITE_FILE)


def _python() -> Iterator[str]:
    """Where modules still to be imported lie."""
    yield from (entry for entry in sys.path if entry)
    yield from (sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib"))
