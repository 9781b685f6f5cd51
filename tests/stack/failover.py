"""A synchronous standby, and handing over to it."""

import shutil
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Final, LiteralString

import psutil
import psycopg

from deploy.local.ports import Ports
from deploy.local.postgres import Postgres, postgres_program
from deploy.local.server import NotReadyError, environment
from tests.stack.routed import Routed
from tests.stack.wait import until

SYNCHRONOUS: Final[LiteralString] = (
    "ANY 1 (*)"  # a COMMIT is answered once any standby has it on its disk
)


class Standby(Postgres):
    """A second cluster that follows a primary until it is promoted; folder and ports its own."""

    def __init__(self, root: Path, primary: Postgres) -> None:
        super().__init__(root, Ports(root / "run" / "ports.json"))
        self._primary = primary
        self._password = primary.password

    @property
    def password(self) -> str:
        """Give the primary's: its users are copied too."""
        return self._password

    def promote(self) -> None:
        """Make it the primary; return when it takes writes, without a standby of its own."""
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute("ALTER SYSTEM RESET synchronous_standby_names")
            connection.execute("SELECT pg_reload_conf()")
            connection.execute("SELECT pg_promote(wait => true)")

    def _initialise(self) -> None:
        self._make_folder()
        copied = subprocess.run(
            self._as_user(
                [postgres_program("pg_basebackup"), "-D", str(self._data), "-R", "-X", "stream",
                 "-c", "fast", "--no-sync", "-d", self._primary.url()]
            ),
            env=environment(),
            cwd=self.folder,
            capture_output=True,
            check=False,
            text=True,
        )  # fmt: skip
        if copied.returncode:
            raise NotReadyError(copied.stderr)


def fail_over(stack: Routed, folder: Path | None = None) -> None:
    """Give the primary a synchronous standby, kill it in the middle of work, promote the other.

    What uses the way to PostgreSQL, or the tests' own, is led to the new primary, whose data are
    in `folder` if one is given.
    """
    old = stack.postgres
    root = folder or stack.root / f"standby-{old.port}"
    root.mkdir(exist_ok=True)
    (root / "logs").symlink_to(stack.root / "logs")
    new = Standby(root, old)
    new.start()
    new.wait_ready()
    _synchronise(old)
    _kill(old)
    new.promote()
    stack.servers.postgres = new
    stack.routes["postgres"].cut()
    stack.straight.cut()
    shutil.rmtree(old.folder)  # it must never come back: it lacks what came after


def _synchronise(primary: Postgres) -> None:
    with psycopg.connect(primary.url(), autocommit=True) as connection:
        connection.execute(f"ALTER SYSTEM SET synchronous_standby_names = '{SYNCHRONOUS}'")
        connection.execute("SELECT pg_reload_conf()")
        state = "SELECT FROM pg_stat_replication WHERE sync_state = 'quorum'"
        until(lambda: connection.execute(state).fetchone() is not None)


def _kill(primary: Postgres) -> None:
    """End the postmaster and its backends, which might still commit, as one power cut."""
    first = psutil.Process(primary.process.pid)
    first.suspend()  # from now on it starts no other
    every = [*first.children(recursive=True), first]
    for process in every:
        with suppress(psutil.NoSuchProcess):
            process.suspend()  # none acts on another's end
    for process in every:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(every, timeout=10)
    primary.kill()
