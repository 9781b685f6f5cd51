"""What a service serves at `/metrics`: its own part of the catalogue, and its process.

A counter is there with 0 for each value of its closed labels from the start, for a rate begins with
the second sample of a series. What belongs to others is served only once something was counted.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import product
from typing import Final

from prometheus_client import (
    GC_COLLECTOR,
    PLATFORM_COLLECTOR,
    PROCESS_COLLECTOR,
    CollectorRegistry,
    Counter,
    Metric,
    disable_created_metrics,
)
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.registry import Collector

from docmill.domain.task import Pool, Stage
from docmill.ops import metrics as m

_DATABASE: Final = (
    m.BUILD,
    m.DATABASE_CONNECTIONS,
    m.DATABASE_CONNECTIONS_LIMIT,
    m.DATABASE_POOL_EXHAUSTED,
    m.DATABASE_RETRIES,
)
_STORE: Final = (m.STORE_SECONDS, m.STORE_ERRORS)
_BROKER: Final = (m.BROKER_CONNECTED, m.BROKER_CONNECTIONS)
_SETTLING: Final = (m.DOCUMENTS_SETTLED, m.DOCUMENT_SECONDS)
_WORK: Final = (
    *_DATABASE,
    *_BROKER,
    *_SETTLING,
    m.TASK_ATTEMPTS,
    m.TASK_FAILURES,
    m.TASK_SECONDS,
    m.TASK_STEP_SECONDS,
    m.CLAIMS_STALE,
    m.COMMITS_FENCED,
    m.LEASES_LOST,
    m.SLOTS_BUSY,
    m.BREAKER_OPEN,
)
_CHILDREN: Final = (
    *_WORK,
    *_STORE,
    m.CHILDREN_STARTED,
    m.CHILDREN_ENDED,
    m.CHILD_START_SECONDS,
    m.CHILD_PEAK_BYTES,
    m.CHILD_LIMIT_BYTES,
    m.SCRATCH_BYTES,
    m.SANDBOX_MISSING,
    m.ARTIFACT_BYTES,
)
SERVED: Final[Mapping[str, Sequence[MetricWrapperBase]]] = {
    "ingest": (
        *_DATABASE,
        *_STORE,
        *_SETTLING,
        m.HTTP_REQUESTS,
        m.HTTP_SECONDS,
        m.HTTP_WAIT_SECONDS,
        m.HTTP_UNFORESEEN,
        m.HTTP_WAITING,
        m.UPLOADS_ACCEPTED,
        m.UPLOADS_REFUSED,
        m.UPLOADS_REPEATED,
        m.UPLOAD_BYTES,
        m.AUTHENTICATION_FAILURES,
    ),
    "dispatcher": (
        *_DATABASE,
        *_BROKER,
        *_SETTLING,
        m.DISPATCH_TICK_SECONDS,
        m.DISPATCH_WAIT_SECONDS,
        m.HINT_PUBLISH_SECONDS,
        m.HINTS_PUBLISHED,
        m.HINTS_CONFIRMED,
        m.HINTS_RETURNED,
        m.HINTS_REPEATED,
        m.TASKS_REAPED,
        m.QUEUE_TASKS,
        m.QUEUE_OLDEST_SECONDS,
        m.QUEUE_TENANTS,
        m.FAIRNESS_SPREAD,
        m.QUEUE_DEAD,
        m.POOL_WORKERS,
        m.POOL_SLOTS,
        m.POOL_PAUSED,
    ),
    Pool.VALIDATOR: (*_CHILDREN, m.PAGES_PLANNED),
    Pool.OCR: (*_CHILDREN, m.OCR_PAGES, m.OCR_WORDS, m.OCR_CONFIDENCE),
    Pool.THUMBNAILER: _CHILDREN,
    Pool.NOTIFIER: (*_WORK, m.WEBHOOKS, m.WEBHOOK_SECONDS),
    "scheduler": (
        *_DATABASE,
        *_STORE,
        *_SETTLING,
        m.SCHEDULER_RUNS,
        m.SCHEDULER_SECONDS,
        m.SCHEDULER_ROWS,
        m.SCHEDULER_LAST_SUCCESS,
        m.SCHEDULER_STALE,
        m.ORPHANS,
        m.ORPHAN_SWEEPS_STOPPED,
        m.INVARIANT_VIOLATIONS,
    ),
}


def exposition(service: str) -> CollectorRegistry:
    """Return what the service serves; one that is not of docmill's serves everything."""
    # a series of its own for each counter, which nobody asks for
    disable_created_metrics()  # type: ignore[no-untyped-call]  # the client's
    own = SERVED.get(service, m.catalogue())
    for metric in own:
        if isinstance(metric, Counter):
            _begin(metric, service)
    registry = CollectorRegistry()
    for collector in (PROCESS_COLLECTOR, PLATFORM_COLLECTOR, GC_COLLECTOR, _Catalogue(own)):
        registry.register(collector)
    return registry


class _Catalogue(Collector):
    def __init__(self, own: Sequence[MetricWrapperBase]) -> None:
        self._own = frozenset(own)

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterator[Metric]:
        for metric in m.catalogue():
            for family in metric.collect():
                if metric in self._own or any(sample.value for sample in family.samples):
                    yield family


def _begin(metric: Counter, service: str) -> None:
    closed = [_values(label, service) for label in metric._labelnames]  # noqa: SLF001 - the client has no public way to ask
    if not closed or not all(closed):
        return
    for values in product(*closed):
        metric.labels(*values)


def _values(label: str, service: str) -> Sequence[str]:
    """Return the values a label can take in this service; none of an open one."""
    if service in tuple(Pool) and label in {"pool", "stage"}:
        stages = [stage for stage in Stage if stage.pool == service]
        return [service] if label == "pool" else [stage.value for stage in stages]
    values = m.LABELS[label]
    return () if isinstance(values, str) else [str(value) for value in values]


__all__ = ["SERVED", "exposition"]
