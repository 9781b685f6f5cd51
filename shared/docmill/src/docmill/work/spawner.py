"""Starts children from one thread that lives as long as the process."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

ENVIRONMENT: Final = {
    "LANG": "C.UTF-8",
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    # One thread a child: there is a slot for each core already.
    "OMP_THREAD_LIMIT": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    # glibc would map 64 MB of address space for each thread's arena.
    "MALLOC_ARENA_MAX": "1",
    # A page's buffers stay on the heap for the next page: 16 to 30 MB a child, while giving them
    # back and having them zeroed again took 25 ms of a page of few lines and 55 of a scan.
    "MALLOC_MMAP_THRESHOLD_": str(32 * 2**20),
    "MALLOC_TRIM_THRESHOLD_": str(32 * 2**20),
}


class Spawner:
    """The one thread that starts children.

    The kernel ends a child when the *thread* that started it ends (PDEATHSIG), and the threads that
    use children come and go.
    """

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        self._environment = {**ENVIRONMENT, **(environment or {})}
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="spawner")

    def start(self, folder: Path) -> subprocess.Popen[bytes]:
        """Start a child with the folder as its working directory; it waits for its set-up frame."""
        return self._thread.submit(self._start, folder).result()

    def _start(self, folder: Path) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-I", "-m", "docmill.work.child", str(os.getpid())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            start_new_session=True,
            close_fds=True,
            cwd=folder,
            env={**self._environment, "TMPDIR": str(folder / "scratch")},
        )

    def close(self) -> None:
        """End the thread, and with it, at the latest, every child."""
        self._thread.shutdown()


def signal_name(number: int) -> str:
    """Return a signal's name, or its number where it has none."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
