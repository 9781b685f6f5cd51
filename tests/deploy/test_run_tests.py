"""What runs tests with servers around them."""

import os
import signal
import subprocess
import sys
from typing import Final

PATIENT: Final = """
import threading
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


def test_ctrl_c_leaves_the_command_time_to_tidy_up() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", RUN, sys.executable, "-c", PATIENT],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == "begun\n"
        os.killpg(process.pid, signal.SIGINT)
        assert process.stdout.read() == "told\ntidied\n"
    assert process.returncode == 3
