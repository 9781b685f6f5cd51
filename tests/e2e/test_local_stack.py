"""`make demo`, `up`, `status` and `down`, as a person uses them."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from shutil import rmtree
from uuid import uuid4

import pytest

from deploy.local.run_tests import ROOT
from deploy.local.service import NAMES
from deploy.local.stack import Stack
from tests.stack.wait import until
from tests.stack.whole import keep_logs

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
DOCUMENTS = ("scanned-report.pdf", "born-digital.pdf", "receipt-photo.jpg", "fax.tiff")


@pytest.fixture
def root() -> Iterator[Path]:
    """A folder for a stack; a stack that a failed test leaves in it is ended."""
    root = (ROOT / ".local" / "test" / "stacks" / uuid4().hex[:8]).resolve()
    root.mkdir(parents=True)
    yield root
    Stack(root).kill()
    keep_logs(root)
    rmtree(root)


def command(root: Path, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "deploy.local", f"--root={root}", *arguments]


def run(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"COLUMNS": "200"}
    return subprocess.run(
        command(root, *arguments),
        cwd=ROOT,
        env=environment,
        capture_output=True,
        check=False,
        text=True,
    )


def test_the_demo_reads_its_documents_and_leaves_nothing_behind(root: Path) -> None:
    output = root / "output"
    with output.open("w") as screen:
        demo = subprocess.Popen(command(root, "demo"), cwd=ROOT, stdout=screen, stderr=screen)
    until(lambda: "Up until Ctrl-C" in output.read_text() or demo.poll() is not None, within=200)
    demo.send_signal(signal.SIGINT)
    code = demo.wait(100)
    shown = output.read_text()
    assert code == 0, shown
    assert [name for name in DOCUMENTS if f"{name}  ready" not in shown] == []
    assert "curl -H 'Authorization: Bearer" in shown
    assert [process.name for process in Stack(root).processes if process.running] == []


def test_a_file_that_is_not_there_is_named_before_anything_starts(root: Path) -> None:
    refused = run(root, "demo", "absent.pdf")
    assert refused.returncode == 2
    assert "no such file: absent.pdf" in refused.stderr
    assert list(root.iterdir()) == []


def test_up_status_and_down_agree(root: Path) -> None:
    up = run(root, "up")
    assert up.returncode == 0, up.stdout + up.stderr
    shown = run(root, "status").stdout
    assert [name for name in NAMES if name not in shown] == []
    assert "down" not in shown
    killed = Stack(root).services["validator"]
    before = killed.process.pid
    killed.kill()
    until(lambda: Stack(root).services["validator"].process.pid not in {None, before})
    assert run(root, "down").returncode == 0
    assert [process.name for process in Stack(root).processes if process.running] == []
