"""Disks that take no more."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from typing import Final

import psutil

from tests.stack.disk import filled, small_disk
from tests.stack.faults.fault import Fault, Toll
from tests.stack.faults.flight import awaited, running
from tests.stack.faults.service import family
from tests.stack.routed import Routed
from tests.stack.setting import with_settings

MOST: Final = 64  # megabytes of the worker's small disk


@contextmanager
def worker_disk_full(stack: Routed, draw: Random) -> Iterator[Toll]:
    """The file system of the OCR worker's files is full."""
    place = {"DOCMILL_SCRATCH_FOLDER": str(stack.root / "small")}
    with (
        small_disk(stack.root / "small", MOST) as folder,
        with_settings(stack.services["ocr"], place),
    ):
        hit = awaited(lambda: running(stack, "ocr"), 0)
        with filled(folder):
            yield Toll("tasks of the worker", hit)


@contextmanager
def postgres_disk_full(stack: Routed, draw: Random) -> Iterator[Toll]:
    """PostgreSQL can write to no file, its log of changes included: it gives up and stays down."""
    hit = awaited(lambda: running(stack), 0)
    with _writing_nothing(stack.postgres.process.pid):
        yield Toll("tasks", hit)
    stack.postgres.kill()  # what is left of it could still write to nothing


@contextmanager
def _writing_nothing(pid: int | None) -> Iterator[None]:
    limited = family(pid)
    for process in limited:
        _limit(process, "0")
    yield
    for process in limited:
        _limit(process, "unlimited")


def _limit(process: psutil.Process, most: str) -> None:
    """Set the limit as the process's own user: not every container's root may do it for others."""
    try:
        user, group = process.uids().real, process.gids().real
    except psutil.NoSuchProcess:
        return
    command = ["prlimit", f"--pid={process.pid}", f"--fsize={most}:"]
    if user != os.geteuid():
        command = ["setpriv", f"--reuid={user}", f"--regid={group}", "--clear-groups", *command]
    subprocess.run(command, check=False)  # one that has ended meanwhile writes nothing either


FAULTS: Final[tuple[Fault, ...]] = (postgres_disk_full, worker_disk_full)
