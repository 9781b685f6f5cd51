"""A child with hostile stages; also a program that has one trespass: `python -m …children NAME…`.

As a program it is a worker in small: it hides its memory, has a secret in its environment and an
open file, and prints as JSON what the child could do about them.
"""

import json
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Final

from docmill.domain.document import Options
from docmill.domain.task import Stage
from docmill.ports import go_on
from docmill.work import prctl
from docmill.work.folder import Access, ChildFolder, workshop
from docmill.work.process import ChildProcess, ChildSpec
from docmill.work.spawner import Spawner
from docmill.work.stage import Job, StageResult

NOBODY: Final = 65534
SPEC: Final = ChildSpec(
    stages="docmill.testing.hostile",
    uid=NOBODY,
    memory=512 * 2**20,
    file_size=16 * 2**20,
    scratch_size=64 * 2**20,
)


class Keeper:
    """Starts children in one directory and gives them jobs."""

    def __init__(self, root: Path, access: Access) -> None:
        self.root = root
        self.access = access
        self.spawner = Spawner()
        self._children: list[ChildProcess] = []

    def child(self, **changes: object) -> ChildProcess:
        """Start a child; `changes` are fields of its spec."""
        spec = replace(SPEC, **changes)  # type: ignore[arg-type]  # the caller names its fields
        folder = ChildFolder(self.root / f"child-{len(self._children)}", self.access)
        child = ChildProcess(self.spawner, spec, folder)
        self._children.append(child)
        return child

    def job(self, child: ChildProcess, name: str, *, text: str = "hello") -> Job:
        """Make the job that has the child do what the name says."""
        original = child.folder.inputs / "original"
        original.unlink(missing_ok=True)
        original.write_text(text)
        self.access.readable(original)
        return Job(
            stage=Stage.RECOGNISE,
            page=1,
            options=Options(),
            original=original,
            name=name,
            pages={},
            plan=None,
            scratch=child.folder.fresh_scratch(),
            limits={},
        )

    def run(self, child: ChildProcess, name: str, *, seconds: float = 20) -> StageResult:
        """Have the child do it."""
        child.ready()
        job = self.job(child, name)
        return child.run(job, within=timedelta(seconds=seconds), check=go_on)

    def say(self, child: ChildProcess, name: str, *, seconds: float = 20) -> str:
        """Have the child do it and return what it says."""
        return str(self.run(child, name, seconds=seconds).facts["said"])

    def close(self) -> None:
        """End every child."""
        for child in self._children:
            child.end()
        self.spawner.close()


@contextmanager
def keeper(parent: Path | None = None) -> Iterator[Keeper]:
    """Give a keeper for the length of a block."""
    access = Access(NOBODY if os.geteuid() == 0 else None)
    # Not in pytest's folder, which is closed to the children's user.
    with workshop(parent or Path(tempfile.gettempdir()), access) as root:
        made = Keeper(root, access)
        try:
            yield made
        finally:
            made.close()


def main(names: Sequence[str]) -> None:
    """Have a child try each trespass; `{secret}` and `{pid}` are replaced."""
    prctl.hide_memory()
    with keeper() as made:
        secret = made.root / "secret"
        secret.write_text("treasure")
        held = os.open(secret, os.O_RDONLY)
        os.set_inheritable(held, True)  # noqa: FBT003 - os takes it so
        child = made.child()
        missing = child.ready().missing
        facts = {"secret": secret, "pid": os.getpid(), "other": made.child().folder.path}
        said = [made.say(child, name.format(**facts)) for name in names]
        os.close(held)
    sys.stdout.write(json.dumps({"missing": missing, "said": said}))


if __name__ == "__main__":
    main(sys.argv[1:])
