"""The release before this one, as the project's history has it, able to run beside this one.

A release is what a number in the migrations' names says: the one before ended where the first
migration of the newest came in.
"""

import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Final

from deploy.local.run_tests import ROOT
from docmill.adapters.postgres.migrate import migrations

MIGRATIONS: Final = "shared/docmill/src/docmill/adapters/postgres/migrations"


class Previous:
    """The code of the release before, with an interpreter that finds it instead of ours."""

    def __init__(self, folder: Path) -> None:
        source, self._venv = folder / "source", folder / "venv"
        source.mkdir(parents=True)
        archive = _git("archive", "--format=tar", _last_commit())
        subprocess.run(["tar", "-x", "-C", source], input=archive, check=True)
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", self._venv], check=True)
        members = sorted([*source.glob("shared/*/src"), *source.glob("services/*/src")])
        libraries = sysconfig.get_paths()["purelib"]  # ours, for both releases have the same
        site = next(self._venv.glob("lib/python*/site-packages"))
        (site / "previous.pth").write_text("\n".join(map(str, [*members, libraries])))

    def command(self, service: str) -> list[str]:
        """Return what starts a service of that release."""
        start = f"from docmill_{service}.main import main; main()"
        return [str(self._venv / "bin" / "python"), "-c", start]


def _last_commit() -> str:
    newest = max(each.release for each in migrations())
    began = ["log", "--diff-filter=A", "--format=%H", "--", f"{MIGRATIONS}/{newest:04}_*"]
    commits = _git(*began).decode().split()
    if not commits:
        raise LookupError("the history ends after the release before: get all of it, then again")
    return f"{commits[-1]}^"


def _git(*arguments: str) -> bytes:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, check=True).stdout
