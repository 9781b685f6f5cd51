"""A disk that is soon full; not everybody may have one."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Final

FILLER: Final = "filler"
MEGABYTE: Final = 2**20


@cache
def may_mount() -> bool:
    """Tell whether we are root, and root may mount here: in many containers it may not."""
    tried = ["unshare", "--mount", "true"]
    return os.geteuid() == 0 and subprocess.run(tried, check=False).returncode == 0


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[Path]:
    """Give a folder that takes so much and no more, for the length of a block."""
    folder.mkdir(parents=True, exist_ok=True)
    size = f"size={megabytes}m,mode=0755"
    subprocess.run(["mount", "-t", "tmpfs", "-o", size, "docmill-test", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


@contextmanager
def filled(folder: Path) -> Iterator[None]:
    """Fill what is left of the folder's disk."""
    filler = folder / FILLER
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(MEGABYTE))
    try:
        yield
    finally:
        filler.unlink()
