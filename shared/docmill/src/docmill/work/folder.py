"""Directories that a worker shares with its children: who may read and who may write."""

import fcntl
import itertools
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_PREFIX: Final = "docmill-worker-"
_GONE: Final = (FileNotFoundError, NotADirectoryError)


@dataclass(frozen=True, slots=True)
class Access:
    """Gives children access to paths. `uid` is theirs, or None when it is our own."""

    uid: int | None

    def enterable(self, folder: Path) -> None:
        """Let them pass through a directory, not list it."""
        if self.uid is not None:
            folder.chmod(0o711)

    def readable(self, path: Path) -> None:
        """Let them read a file or list a directory."""
        if self.uid is not None:
            os.chown(path, -1, self.uid)
            path.chmod(0o750 if path.is_dir() else 0o440)

    def writable(self, folder: Path) -> None:
        """Let them do as they like in a directory."""
        if self.uid is not None:
            os.chown(folder, self.uid, self.uid)


class ChildFolder:
    """One child's place: `in` to read from, `scratch` to write to."""

    def __init__(self, path: Path, access: Access) -> None:
        self.path = path
        self.inputs = path / "in"
        self.scratch = path / "scratch"
        self._access = access
        self._made = itertools.count(1)
        path.mkdir(mode=0o700)
        access.enterable(path)
        self.inputs.mkdir(mode=0o700)
        access.readable(self.inputs)
        self.scratch.mkdir(mode=0o700)
        access.writable(self.scratch)

    def fresh_inputs(self) -> Path:
        """Make a directory for what one job is given; a transfer that was given up finds none."""
        inputs = self._fresh(self.inputs)
        self._access.readable(inputs)
        return inputs

    def fresh_scratch(self) -> Path:
        """Make an empty directory for one job's files."""
        scratch = self._fresh(self.scratch)
        self._access.writable(scratch)
        return scratch

    def clear(self) -> None:
        """Remove what a job was given and what it left."""
        for path in (*self.inputs.iterdir(), *self.scratch.iterdir()):
            remove(path)

    def remove(self) -> None:
        """Remove the whole place. Twice is safe."""
        remove(self.path)

    def _fresh(self, parent: Path) -> Path:
        folder = parent / str(next(self._made))
        folder.mkdir(mode=0o700)
        return folder

    def scratch_bytes(self) -> int:
        """Return how much the child has written, roughly while it is writing.

        Raise OSError where that cannot be told: a directory is closed to us, a path too long.
        """
        return sum(_allocated(Path(folder) / name) for folder, name in _files(self.scratch))


@contextmanager
def workshop(parent: Path, access: Access) -> Iterator[Path]:
    """Make a worker's private directory under `parent`; remove it at the end.

    Directories that killed workers left behind are removed first: nobody holds their lock.
    """
    for left in parent.glob(_PREFIX + "*"):
        _remove_abandoned(left)
    root = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
    access.enterable(root)
    lock = os.open(root / "lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield root
    finally:
        remove(root)
        os.close(lock)


def remove(path: Path) -> None:
    """Remove a file or tree, never following a link out of it. Twice is safe."""
    if path.is_symlink() or path.is_file():
        path.unlink()
        return
    # A child of our own user may have closed its directories to us; nothing is closed to root.
    if os.geteuid() != 0 and path.exists():
        path.chmod(0o700)
        for folder, _, _ in os.walk(path):
            _open_inside(Path(folder))
    shutil.rmtree(path, ignore_errors=True)


def _open_inside(folder: Path) -> None:
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            path.chmod(0o700)


def _remove_abandoned(root: Path) -> None:
    try:
        lock = os.open(root / "lock", os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return  # another user's, or just being made
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        remove(root)
    except BlockingIOError:
        pass  # its worker lives
    finally:
        os.close(lock)


def _files(folder: Path) -> Iterator[tuple[str, str]]:
    for place, _, names in os.walk(folder, onerror=_pass_over):
        for name in names:
            yield place, name


def _pass_over(error: OSError) -> None:
    """Raise an error unless it is that something went away meanwhile."""
    if not isinstance(error, _GONE):
        raise error


def _allocated(path: Path) -> int:
    try:
        return path.lstat().st_blocks * 512
    except _GONE:
        return 0
