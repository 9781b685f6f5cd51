"""Watches a release for a while: the share of errors, restarts, readiness."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from deploy.release.cluster import CommandFailed, Pod, Release

INTERVAL: Final = 5.0  # seconds
FEWEST: Final = 20  # requests; a share of fewer says nothing
PATIENCE: Final = 6  # looks in a row that a pod may be unready
_REQUESTS: Final = "docmill_http_requests_total"


class Unwell(Exception):
    """The release is worse than it may be; the message says how."""


@dataclass(slots=True)
class Tally:
    """Requests and errors since the watch began, over pods that come and go."""

    requests: float = 0
    errors: float = 0
    _seen: dict[str, tuple[float, float]] = field(default_factory=dict)

    def add(self, pod: str, samples: Mapping[str, float]) -> None:
        """Count what is new of a pod's samples; its first ones only say where it begins."""
        counted = [(series, value) for series, value in samples.items()
                   if series.startswith(_REQUESTS)]  # fmt: skip
        now = (
            sum(value for _, value in counted),
            sum(value for series, value in counted if 'status="5' in series),
        )
        before = self._seen.get(pod, now)
        self._seen[pod] = now
        self.requests += now[0] - before[0]
        self.errors += now[1] - before[1]

    @property
    def share(self) -> float:
        """Errors among the requests; 0 while there were too few."""
        return self.errors / self.requests if self.requests >= FEWEST else 0.0


@dataclass(slots=True)
class Watch:
    """One watch; `most` is the share of answers 5xx that is let pass."""

    release: Release
    most: float
    tally: Tally = field(default_factory=Tally)
    _restarts: dict[str, int] = field(default_factory=dict)
    _unready: dict[str, int] = field(default_factory=dict)

    def __call__(self, seconds: float) -> None:
        """Look until the time is over; raise Unwell as soon as something is."""
        until = time.monotonic() + seconds
        self._look()
        while time.monotonic() < until:
            time.sleep(min(INTERVAL, max(0.0, until - time.monotonic())))
            self._look()
        print(f"  ok  {self.tally.requests:.0f} requests, {self.tally.errors:.0f} answered 5xx")

    def _look(self) -> None:
        for pod in self.release.pods():
            if not pod.leaving:
                self._judge(pod)
        if self.tally.share > self.most:
            raise Unwell(f"{self.tally.share:.1%} of {self.tally.requests:.0f} requests got a 5xx")

    def _judge(self, pod: Pod) -> None:
        if pod.restarts > self._restarts.setdefault(pod.name, pod.restarts):
            raise Unwell(f"{pod.name} restarted")
        self._unready[pod.name] = 0 if pod.ready else self._unready.get(pod.name, 0) + 1
        if self._unready[pod.name] > PATIENCE:
            raise Unwell(f"{pod.name} has not been ready for {PATIENCE * INTERVAL:.0f} s")
        if pod.service == "ingest" and pod.ready:
            self._count(pod)

    def _count(self, pod: Pod) -> None:
        try:
            self.tally.add(pod.name, self.release.samples(pod))
        except CommandFailed as error:  # it may just have gone; one that stays is unready
            print(f"      {error}")
