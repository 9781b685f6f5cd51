"""A process of the stack: found again, ended with all its own, restarted when it crashed."""

import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from deploy.local.process import Process
from deploy.local.server import environment
from tests.stack.wait import until

WAITS = "import threading; print('up', flush=True); threading.Event().wait()"
DEAF = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {WAITS}"
FAMILY = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {DEAF!r}]); {WAITS}"


@pytest.fixture
def process(tmp_path: Path) -> Iterator[Process]:
    process = Process("sample", tmp_path / "run" / "sample.pid", tmp_path / "logs" / "sample.log")
    yield process
    process.kill()


def started(process: Process, program: str, lines: int = 1) -> Process:
    process.start([sys.executable, "-c", program], env=environment())
    until(lambda: process.log_file.read_text().count("up\n") >= lines)
    return process


def again(process: Process) -> Process:
    """What another command knows of it: the files."""
    return Process(process.name, process.pid_file, process.log_file)


def test_another_command_finds_and_stops_it(process: Process) -> None:
    started(process, WAITS)
    assert again(process).pid == process.pid
    assert again(process).stop(timeout=10)
    assert not process.running
    assert process.exit_code == -signal.SIGTERM


def test_a_second_start_changes_nothing(process: Process) -> None:
    first = started(process, WAITS).pid
    assert started(process, WAITS).pid == first


def test_who_is_deaf_to_asking_is_killed(process: Process) -> None:
    assert not started(process, DEAF).stop(timeout=0.2)
    assert not process.running


def test_a_kill_takes_the_children_along(process: Process) -> None:
    children = psutil.Process(started(process, FAMILY, lines=2).pid).children()
    process.kill()
    assert [each.status() for each in children if each.is_running()] in ([], ["zombie"])


def test_a_paused_process_still_hears_the_end(process: Process) -> None:
    started(process, WAITS).pause()
    until(lambda: psutil.Process(process.pid).status() == psutil.STATUS_STOPPED)
    assert process.stop(timeout=10)


def test_a_stranger_with_the_same_pid_is_not_ours(process: Process) -> None:
    started(process, WAITS)
    pid, born = process.pid_file.read_text().split()
    process.pid_file.write_text(f"{pid} {float(born) - 60}\n")
    assert not again(process).running
