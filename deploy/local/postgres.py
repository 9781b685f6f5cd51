"""A private PostgreSQL, 15 or newer, from the distribution's programs."""

import os
import shutil
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal

import psycopg

from deploy.local.ports import Ports
from deploy.local.server import NotReadyError, Server, environment, secret

Mode = Literal["smart", "fast", "immediate"]
STOP_SIGNALS: Final = {
    "smart": signal.SIGTERM,
    "fast": signal.SIGINT,
    "immediate": signal.SIGQUIT,
}
# For tests that lose nothing they care for when the machine goes down.
FORGETFUL: Final = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
# What compose and the chart's evaluation use as well.
SHARED: Final = Path(__file__).parents[1] / "postgresql" / "postgresql.conf"
SETTINGS: Final = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",  # their path limit is shorter than many checkouts
}
ADMIN: Final = "postgres"  # also the system user that runs it when we are root


def shared() -> dict[str, str]:
    """Give the settings of the shared file."""
    lines = (line.partition("#")[0].partition("=") for line in SHARED.read_text().splitlines())
    return {name.strip(): value.strip(" '") for name, equals, value in lines if equals}


class Postgres(Server):
    """PostgreSQL with one superuser and a password; as root it runs as the user `postgres`."""

    name = "postgres"

    def __init__(self, root: Path, ports: Ports, *, forgetful: bool = False) -> None:
        super().__init__(root, ports)
        self._data = self.folder / "data"
        self._settings = shared() | SETTINGS | (FORGETFUL if forgetful else {})

    @property
    def port(self) -> int:
        return self.ports["postgres"]

    @property
    def password(self) -> str:
        return secret(self.root, "postgres")

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://{ADMIN}:{self.password}@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        if self.process.running:
            return
        if not (self._data / "PG_VERSION").exists():
            self._initialise()
        options = self._settings | {"port": str(self.ports.usable("postgres"))}
        flags = [part for key, value in options.items() for part in ("-c", f"{key}={value}")]
        self.process.start(
            self._as_user([postgres_program("postgres"), "-D", str(self._data), *flags]),
            env=environment(),
            cwd=self.folder,
        )

    def is_ready(self) -> bool:
        try:
            with psycopg.connect(self.url(), connect_timeout=2) as connection:
                connection.execute("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True

    def stop(self, mode: Mode = "fast") -> None:
        self.process.stop(STOP_SIGNALS[mode])

    def ensure_database(self, name: str) -> str:
        """Make the database unless it is there, and give its url."""
        with psycopg.connect(self.url(), autocommit=True) as connection:
            found = connection.execute("SELECT FROM pg_database WHERE datname = %s", [name])
            if found.fetchone() is None:
                connection.execute(psycopg.sql.SQL("CREATE DATABASE {}").format(_name(name)))
        return self.url(name)

    def _make_folder(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        if _am_root():
            shutil.chown(self.folder, ADMIN, ADMIN)

    def _initialise(self) -> None:
        self._make_folder()
        password_file = self.folder / "password"
        password_file.touch(mode=0o600)
        password_file.write_text(self.password)
        if _am_root():
            shutil.chown(password_file, ADMIN, ADMIN)
        command = [postgres_program("initdb"), "-D", str(self._data), "-U", ADMIN, "-E", "UTF8"]
        command += ["--locale=C.UTF-8", "--auth=scram-sha-256", f"--pwfile={password_file}"]
        command += ["--no-sync"] if "fsync" in self._settings else []
        made = subprocess.run(
            self._as_user(command),
            env=environment(),
            cwd=self.folder,
            capture_output=True,
            check=False,
            text=True,
        )
        password_file.unlink()
        if made.returncode:
            raise NotReadyError(made.stderr)

    @staticmethod
    def _as_user(command: Sequence[str]) -> Sequence[str]:
        """PostgreSQL refuses to run as root."""
        if not _am_root():
            return command
        return ["setpriv", f"--reuid={ADMIN}", f"--regid={ADMIN}", "--init-groups", *command]


def _am_root() -> bool:
    return os.geteuid() == 0


def _name(name: str) -> psycopg.sql.Identifier:
    return psycopg.sql.Identifier(name)


def postgres_program(name: str) -> str:
    """Find a server program: Debian keeps them per version, off the PATH."""
    found = Path("/usr/lib/postgresql").glob(f"*/bin/{name}")
    versions = {int(path.parts[4]): path for path in found if path.parts[4].isdigit()}
    if not versions:
        raise NotReadyError("PostgreSQL's server programs are missing: run `make setup`")
    return str(versions[max(versions)])
