"""One process of the stack: started, found again by its pid file, never left behind."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

LARGEST_LOG = 20 * 2**20


@dataclass
class Process:
    """A program in a session of its own, its output in a file, its identity in another.

    The identity is pid and start time, so that another command can stop what this one started and
    never signals a stranger who got the same pid.
    """

    name: str
    pid_file: Path
    log_file: Path
    _child: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def start(
        self, command: Sequence[str], *, env: Mapping[str, str], cwd: Path | None = None
    ) -> None:
        """Start the program; nothing happens when it runs already."""
        if self.running:
            return
        for file in (self.pid_file, self.log_file):
            file.parent.mkdir(parents=True, exist_ok=True)
        self._turn_log()
        with self.log_file.open("ab") as log:
            self._child = subprocess.Popen(
                command,
                env=dict(env),
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.pid_file.write_text(identity(self._child.pid))

    def _turn_log(self) -> None:
        if self.log_file.exists() and self.log_file.stat().st_size > LARGEST_LOG:
            self.log_file.replace(self.log_file.with_suffix(".log.1"))

    def last_words(self, lines: int = 8) -> str:
        """Give the end of its log."""
        text = self.log_file.read_text(errors="replace") if self.log_file.exists() else ""
        return "\n".join(text.splitlines()[-lines:])

    @property
    def pid(self) -> int | None:
        """Give the pid while the process lives, also when another command started it."""
        found = self._find()
        return found.pid if found else None

    @property
    def running(self) -> bool:
        return self._find() is not None

    @property
    def exit_code(self) -> int | None:
        """Give how our own child ended; None while it runs or when it is not ours."""
        return self._child.poll() if self._child else None

    def send(self, number: signal.Signals) -> None:
        """Send to the process alone; a process that is gone is fine."""
        if found := self._find():
            with suppress(psutil.NoSuchProcess):
                found.send_signal(number)

    def kill(self) -> None:
        """SIGKILL to the whole session's group, and wait until it is gone; nothing may clean up."""
        group = self.pid
        self.send_group(signal.SIGKILL)
        self._wait_until(lambda: not self.running and not _members(group), 10)

    def send_group(self, number: signal.Signals) -> None:
        if pid := self.pid:
            with suppress(ProcessLookupError):
                os.killpg(pid, number)

    def pause(self) -> None:
        self.send_group(signal.SIGSTOP)

    def resume(self) -> None:
        self.send_group(signal.SIGCONT)

    def stop(self, number: signal.Signals = signal.SIGTERM, *, timeout: float = 30) -> bool:
        """Ask with a signal and wait; SIGKILL after the time. True when asking was enough."""
        self.send(number)
        self.send(signal.SIGCONT)  # a paused process would not hear it
        if self.wait(timeout):
            return True
        self.kill()
        return False

    def wait(self, timeout: float) -> bool:
        """True when the process is gone within the time."""
        return self._wait_until(lambda: not self.running, timeout)

    @staticmethod
    def _wait_until(gone: Callable[[], bool], timeout: float) -> bool:
        deadline = time.monotonic() + timeout
        while not gone():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)
        return True

    def _find(self) -> psutil.Process | None:
        if self._child:
            return psutil.Process(self._child.pid) if self._child.poll() is None else None
        try:
            pid, born = self.pid_file.read_text().split()
            found = psutil.Process(int(pid))
            alive = found.create_time() == float(born) and found.status() != psutil.STATUS_ZOMBIE
        except (OSError, ValueError, psutil.NoSuchProcess):
            return None
        return found if alive else None


def identity(pid: int) -> str:
    """Give what a pid file holds."""
    return f"{pid} {psutil.Process(pid).create_time()}\n"


def _members(group: int | None) -> list[int]:
    """Give the group's processes that still hold anything: ports, files, locks."""
    return [pid for pid in psutil.pids() if _lives_in(pid, group)]


def _lives_in(pid: int, group: int | None) -> bool:
    try:
        return os.getpgid(pid) == group and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except (ProcessLookupError, psutil.NoSuchProcess):
        return False
