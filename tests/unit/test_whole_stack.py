"""What tests and benches start is stopped with them."""

import subprocess
import sys
from typing import Final

from deploy.local.run_tests import ROOT

PROGRAM: Final = """
from tests.stack.whole import whole

class Told:
    def __init__(self, root):
        pass

    def start(self):
        print("started", flush=True)

    def kill(self):
        print("killed", flush=True)

with whole(Told):
    input()
"""


def test_a_program_that_gets_sigterm_takes_its_stack_with_it() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == "started\n"
        process.terminate()
        told, _ = process.communicate()
    assert told == "killed\n"
