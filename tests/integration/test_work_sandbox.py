"""What a child may not do, whoever runs its worker."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Sequence

import pytest

ORDINARY = 65533
AS_ROOT: list[str] = []
AS_ORDINARY = ["setpriv", f"--reuid={ORDINARY}", f"--regid={ORDINARY}", "--clear-groups"]
FORBIDDEN = "refused PermissionError"
USERS = {"root": AS_ROOT, "ordinary": AS_ORDINARY} if os.geteuid() == 0 else {"ordinary": AS_ROOT}


def trespass(user: str, *names: str) -> list[str]:
    """Run a worker in small as that user, with a child that tries."""
    done = subprocess.run(
        [*USERS[user], sys.executable, "-m", "docmill.testing.children", *names],
        env={"PATH": "/usr/bin:/bin", "DOCMILL_SECRET": "treasure"},
        cwd="/",
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    answer = json.loads(done.stdout.splitlines()[-1])
    assert answer["missing"] == []
    said: list[str] = answer["said"]
    return said


@pytest.fixture(params=USERS)
def user(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_no_connection_is_made(user: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        (said,) = trespass(user, f"connect {server.getsockname()[1]}")
    assert said.startswith("refused")


@pytest.mark.parametrize(
    "trespassing",
    [
        "read /proc/{pid}/environ",
        "read /proc/{pid}/mem",
        "look_into /proc/{pid}/fd",
        "read /proc/self/environ",
        "read {secret}",
        "read /etc/passwd",
        "read /etc/hostname",
        "look_into {other}/scratch",
        "look_into /var/tmp",
    ],
)
def test_nothing_of_others_is_read(user: str, trespassing: str) -> None:
    assert trespass(user, trespassing) == [FORBIDDEN]


@pytest.mark.parametrize(
    "path", ["/tmp/x-{pid}", "/var/tmp/x-{pid}", "{secret}", "{other}/scratch/x"]
)
def test_nothing_is_written_outside_the_scratch_directory(user: str, path: str) -> None:
    assert trespass(user, f"write {path}") == [FORBIDDEN]


LIMIT = """
import resource, sys
from docmill.work.sandbox import limit_cpu
resource.setrlimit(resource.RLIMIT_CPU, (500, 500))
limit_cpu(float(sys.argv[1]))
print(*resource.getrlimit(resource.RLIMIT_CPU))
"""


@pytest.mark.parametrize(("seconds", "kept"), [(10, range(11, 20)), (10_000, [500])])
def test_processor_time_is_limited_within_what_was_inherited(
    seconds: int, kept: Sequence[int]
) -> None:
    command = [sys.executable, "-c", LIMIT, str(seconds)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    soft, hard = map(int, done.stdout.split())
    assert soft in kept
    assert hard == 500


def test_the_parents_files_and_environment_are_not_inherited(user: str) -> None:
    descriptors, environment = trespass(user, "descriptors", "environment")
    assert descriptors == "0 1 2 3 4"  # nothing, stderr twice, and the two pipes
    assert "treasure" not in environment
    assert {line.partition("=")[0] for line in environment.splitlines()} == {
        "LANG",
        "MALLOC_ARENA_MAX",
        "MALLOC_MMAP_THRESHOLD_",
        "MALLOC_TRIM_THRESHOLD_",
        "OMP_NUM_THREADS",
        "OMP_THREAD_LIMIT",
        "OPENBLAS_NUM_THREADS",
        "PATH",
        "TMPDIR",
    }


def test_no_process_is_traced_signalled_or_started(user: str) -> None:
    said = trespass(
        user, "trace parent", "kill parent", "kill -1", "kill 1", "fork", "run_program /bin/true"
    )
    assert said[0] == "Operation not permitted"
    assert [each.split()[0] for each in said[1:]] == ["refused"] * 5


def test_what_it_needs_is_allowed(user: str) -> None:
    assert trespass(user, "echo", "noop") == ["hello", ""]
