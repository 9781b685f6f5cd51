"""What runs tests with servers around them."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from typing import Final

import pytest

PATIENT: Final = """
import signal, threading
signal.signal(signal.SIGTERM, signal.default_int_handler)
try:
    print("begun", flush=True)
    threading.Event().wait()
except KeyboardInterrupt:
    print("told", flush=True)
    threading.Event().wait(1)
    print("tidied", flush=True)
    raise SystemExit(3)
"""
RUN: Final = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a background shell has it ignored
from deploy.local.run_tests import ended
sys.exit(ended(sys.argv[1:], os.environ))
"""


def by_terminal(process: subprocess.Popen[str]) -> None:
    os.killpg(process.pid, signal.SIGINT)


def by_a_supervisor(process: subprocess.Popen[str]) -> None:
    process.terminate()


@pytest.mark.parametrize("told", [by_terminal, by_a_supervisor])
def test_the_command_is_left_time_to_tidy_up(
    told: Callable[[subprocess.Popen[str]], None],
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", RUN, sys.executable, "-c", PATIENT],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == "begun\n"
        told(process)
        assert process.stdout.read() == "told\ntidied\n"
    assert process.returncode == 3
