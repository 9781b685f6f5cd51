"""Who holds the local stack, and how `make down` has it let go."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.run_tests import ROOT
from deploy.local.supervisor import AlreadyRunningError, only_one

HOLD = """
import sys, threading
from pathlib import Path
from deploy.local.supervisor import only_one
with only_one(Path(sys.argv[1])):
    print("held", flush=True)
    threading.Event().wait()
"""


@pytest.fixture
def demo(tmp_path: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """A process in the foreground that holds the stack, as `make demo` does."""
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stdout.readline() == b"held\n"
        yield process
        process.kill()


def test_down_ends_whoever_holds_the_stack(tmp_path: Path, demo: "subprocess.Popen[bytes]") -> None:
    down = [sys.executable, "-m", "deploy.local", f"--root={tmp_path}", "down"]
    assert subprocess.run(down, cwd=ROOT, check=False).returncode == 0
    assert demo.poll() == -signal.SIGTERM
    with only_one(tmp_path):
        pass


def test_a_second_one_is_refused_and_takes_nothing_from_the_first(
    tmp_path: Path, demo: "subprocess.Popen[bytes]"
) -> None:
    with pytest.raises(AlreadyRunningError), only_one(tmp_path):
        pass
    lock = tmp_path / "run" / "supervisor.lock"
    assert lock.read_text().split()[0] == str(demo.pid)
