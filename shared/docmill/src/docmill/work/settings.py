"""The settings of every worker."""

import os
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from docmill.ops.settings import (
    BrokerSettings,
    DatabaseSettings,
    HealthSettings,
    Seconds,
    SomeSeconds,
    StoreSettings,
    variable,
)

_MEGABYTE = 2**20


def cores() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0))


class WorkerSettings(DatabaseSettings, BrokerSettings, HealthSettings):
    """What any worker is told."""

    slots: int = Field(
        default_factory=cores, ge=1, description="Tasks at a time; by default one a core."
    )
    lease_seconds: SomeSeconds = Field(
        timedelta(seconds=45), description="How long a claim holds without a renewal."
    )
    renew_seconds: SomeSeconds = Field(
        timedelta(seconds=10), description="Time between renewals of the claims held."
    )
    lease_margin_seconds: Seconds = Field(
        timedelta(seconds=10), description="So long before its lease ends unrenewed work is killed."
    )
    watch_seconds: SomeSeconds = Field(
        timedelta(seconds=1), description="Time between looks for cancelled tasks."
    )
    retry_base_seconds: Seconds = Field(
        timedelta(seconds=5), description="First wait before a failed task is tried again; doubles."
    )
    retry_attempts: int = Field(5, ge=1, description="Errors that a task may spend.")
    drain_seconds: Seconds = Field(
        timedelta(seconds=30), description="Time that running tasks get to finish on SIGTERM."
    )

    @model_validator(mode="after")
    def _renewed_in_time(self) -> Self:
        """A lease that ends before it could be renewed would kill all work."""
        if self.lease_seconds <= self.renew_seconds + self.lease_margin_seconds:
            names = ("lease_seconds", "renew_seconds", "lease_margin_seconds")
            message = "{}: must be more than {} and {} together"
            raise ValueError(message.format(*map(variable, names)))
        return self


class ChildSettings(WorkerSettings, StoreSettings):
    """What a worker is told that runs its stages in sandboxed children."""

    page_deadline_seconds: SomeSeconds = Field(
        timedelta(seconds=60), description="Longest time for one page; then its child is killed."
    )
    task_deadline_seconds: SomeSeconds = Field(
        timedelta(minutes=5), description="The same for every other task."
    )
    child_memory_mb: int = Field(
        1536, ge=64, description="Memory a child may take above what it needs to start."
    )
    child_alone_memory_mb: int = Field(
        3072, ge=64, description="The same for a task that runs alone after a crash."
    )
    child_file_mb: int = Field(512, ge=1, description="Largest file a child may write.")
    child_scratch_mb: int = Field(1024, ge=1, description="Most that a child may write for a task.")
    child_uid: int = Field(
        65534, ge=1, description="Unprivileged user and group of the children of a root worker."
    )
    child_recycle_after: int = Field(1000, ge=1, description="Tasks before a child is replaced.")
    scratch_folder: Path = Field(
        default_factory=lambda: Path(tempfile.gettempdir()),
        description="Where the worker makes its private directory of files in work.",
    )
    cache_mb: int = Field(
        1024, ge=1, description="Originals and pages kept on disk, so that none is fetched twice."
    )
    cache_seconds: Seconds = Field(
        timedelta(minutes=5),
        description="How long an unused original is kept: an erased one is gone from here by then.",
    )
    max_pixels: int = Field(
        600_000_000, ge=1, description="Pixel budget of one image, checked before decoding."
    )

    @property
    def memory(self) -> int:
        """Bytes a child may take."""
        return self.child_memory_mb * _MEGABYTE

    @property
    def alone_memory(self) -> int:
        """Bytes a child may take that runs alone."""
        return self.child_alone_memory_mb * _MEGABYTE

    @property
    def file_size(self) -> int:
        """Bytes of the largest file."""
        return self.child_file_mb * _MEGABYTE

    @property
    def scratch_size(self) -> int:
        """Bytes of scratch."""
        return self.child_scratch_mb * _MEGABYTE

    @property
    def cache_size(self) -> int:
        """Bytes of originals kept."""
        return self.cache_mb * _MEGABYTE
