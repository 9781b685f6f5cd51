"""Runs a command with the three servers up and their addresses in the environment.

Runs that overlap share the servers: each holds a shared lock, and who is last to leave stops them.
"""

import fcntl
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from deploy.local.seaweedfs import ACCESS_KEY
from deploy.local.servers import Servers

ROOT = Path(__file__).resolve().parents[2]


def addresses(servers: Servers) -> dict[str, str]:
    return {
        "DOCMILL_TEST_DATABASE_URL": servers.postgres.url(),
        "DOCMILL_TEST_RABBITMQ_URL": servers.rabbitmq.url(),
        "DOCMILL_TEST_RABBITMQ_API": servers.rabbitmq.api,
        "DOCMILL_TEST_S3_ENDPOINT": servers.s3.endpoint,
        "DOCMILL_TEST_S3_ACCESS_KEY": ACCESS_KEY,
        "DOCMILL_TEST_S3_SECRET_KEY": servers.s3.secret_key,
    }


@contextmanager
def shared_servers(root: Path) -> Iterator[Servers]:
    """Join the servers under the root, starting them when nobody has."""
    root.mkdir(parents=True, exist_ok=True)
    with (root / "gate.lock").open("w") as gate, (root / "users.lock").open("w") as users:
        fcntl.flock(gate, fcntl.LOCK_EX)
        servers = _fresh(root) if _alone(users) else Servers(root, forgetful=True)
        servers.start()
        fcntl.flock(users, fcntl.LOCK_SH)
        fcntl.flock(gate, fcntl.LOCK_UN)
        try:
            yield servers
        finally:
            fcntl.flock(gate, fcntl.LOCK_EX)
            if _alone(users):
                servers.stop()


def _alone(users: IO[str]) -> bool:
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _fresh(root: Path) -> Servers:
    """Stop what a killed run left, and begin with empty servers."""
    left = Servers(root, forgetful=True)
    left.stop()
    for server in left.all:
        server.wipe()
    shutil.rmtree(root / "stacks", ignore_errors=True)
    return Servers(root, forgetful=True)


def ended(command: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run the command to its own end and return its exit code, through any number of Ctrl-C.

    A terminal tells the command too: it is left the time to stop what it has started. SIGTERM
    comes to us alone, so it is handed on.
    """
    with subprocess.Popen(command, env=environment) as process:
        signal.signal(signal.SIGTERM, lambda number, _: process.send_signal(number))
        while True:
            try:
                return process.wait()
            except KeyboardInterrupt:
                continue


def main() -> int:
    with shared_servers((ROOT / ".local" / "test").resolve()) as servers:
        return ended(sys.argv[1:], os.environ | addresses(servers))


if __name__ == "__main__":
    sys.exit(main())
