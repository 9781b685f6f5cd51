"""Every metric of docmill: base units, and label values from closed sets; the one list of names.

A label name means the same everywhere and takes its values from `LABELS`; none is one that
Prometheus puts on what it scrapes. No tenant, document or address is ever a label.
`docs/reference/metrics.md` is generated from this file.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Final

from prometheus_client import Counter, Gauge, Histogram
from prometheus_client.metrics import MetricWrapperBase

from docmill.domain.document import TERMINAL, ArtifactKind, Priority
from docmill.domain.plan import Source
from docmill.domain.task import Outcome, Pool, Stage, TaskState
from docmill.domain.words import Strategy


class ChildEnd(StrEnum):
    """Why a child process ended."""

    RECYCLED = "recycled"  # after its number of jobs
    KILLED = "killed"  # by us: deadline, cancel, lost lease, drain
    CRASHED = "crashed"  # by signal, abort or memory, not by us
    STOPPED = "stopped"  # with its worker


class Step(StrEnum):
    """The parts of a task's time in a worker."""

    CLAIM = "claim"
    FETCH = "fetch"
    RUN = "run"
    STORE = "store"
    COMMIT = "commit"


class Invariant(StrEnum):
    """The promises of the ledger; each is counted when broken."""

    I1 = "I1"
    I2 = "I2"
    I3 = "I3"
    I4 = "I4"
    I5 = "I5"
    I6 = "I6"


class Job(StrEnum):
    """The scheduler's jobs."""

    RETENTION = "retention"
    ERASURE = "erasure"
    UPLOADS = "uploads"
    ORPHANS = "orphans"
    MULTIPART = "multipart"
    TIMEOUTS = "timeouts"
    BATCHES = "batches"
    IDEMPOTENCY = "idempotency"
    KEYS = "keys"
    LOGINS = "logins"
    TASKS = "tasks"
    DELIVERIES = "deliveries"
    WORKERS = "workers"
    HISTORY = "history"
    AUDIT = "audit"


PROTECTIONS: Final = (
    "dumpable",
    "landlock",
    "limits",
    "network",
    "no_new_privs",
    "pdeathsig",
    "seccomp",
    "subreaper",
    "uid",
)

# The closed set of each label; a string says what bounds an open one.
LABELS: Final[Mapping[str, Iterable[str] | str]] = {
    "action": ("get", "put", "list", "delete", "head", "other"),
    "answer": ("delivered", "refused", "gone", "blocked", "failed"),
    "cause": ("deadlock", "serialisation", "connection"),
    "code": "the catalogue of errors: docs/reference/errors.md",
    "component": "the services of docmill",
    "cron_job": Job,
    "dependency": ("postgresql", "rabbitmq", "s3", "disk"),
    "end": ChildEnd,
    "invariant": Invariant,
    "kind": ArtifactKind,
    "method": ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "other"),
    "outcome": Outcome,
    "pool": Pool,
    "priority": Priority,
    "protection": PROTECTIONS,
    "reason": ("missing", "malformed", "unknown", "expired", "revoked", "blocked", "scope"),
    "result": ("succeeded", "failed", "abandoned"),
    "route": "the routes of the API as templates, `other` for the rest",
    "source": Source,
    "stage": Stage,
    "state": "the states of what is counted: "
    + ", ".join([*TaskState, *sorted(TERMINAL), "used", "idle", "waiting", "free", "total"]),
    "status": "HTTP status codes",
    "step": Step,
    "strategy": Strategy,
    "version": "the build",
}

_FAST: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_PAGE: Final = (0.05, 0.1, 0.25, 0.5, 1, 2, 4, 8, 16, 32, 64)
_LONG: Final = (0.5, 1, 2, 5, 10, 30, 60, 120, 300, 900, 3600, 14400, 86400)

# ── every service ───────────────────────────────────────────────────────────────────────────────
BUILD: Final = Gauge("docmill_build_info", "1, with the build that runs.", ["component", "version"])
DATABASE_CONNECTIONS: Final = Gauge(
    "docmill_database_connections",
    "Connections of this process's pool: used and idle; waiting: callers without one.",
    ["state"],
)
DATABASE_CONNECTIONS_LIMIT: Final = Gauge(
    "docmill_database_connections_limit", "Most connections that this process's pool opens."
)
DATABASE_POOL_EXHAUSTED: Final = Counter(
    "docmill_database_pool_exhausted", "Times a caller got no connection within the time-out."
)
DATABASE_RETRIES: Final = Counter(
    "docmill_database_retries",
    "Transactions run again by the adapter; they spend no attempt.",
    ["cause"],
)
STORE_SECONDS: Final = Histogram(
    "docmill_store_seconds", "Time of one request to the S3 store.", ["action"], buckets=_FAST
)
STORE_ERRORS: Final = Counter(
    "docmill_store_errors", "Requests that the S3 store did not answer.", ["action"]
)
BROKER_CONNECTED: Final = Gauge(
    "docmill_broker_connected", "1 while this process has its connection to RabbitMQ."
)
BROKER_CONNECTIONS: Final = Counter(
    "docmill_broker_connections",
    "Connections made to RabbitMQ; each after the first is a reconnect.",
)

# ── ingest ──────────────────────────────────────────────────────────────────────────────────────
HTTP_REQUESTS: Final = Counter(
    "docmill_http_requests", "Requests answered.", ["method", "route", "status"]
)
HTTP_SECONDS: Final = Histogram(
    "docmill_http_seconds",
    "Time until the answer's headers, of requests that did not ask to wait.",
    ["method", "route"],
    buckets=_FAST,
)
HTTP_WAIT_SECONDS: Final = Histogram(
    "docmill_http_wait_seconds",
    "Time until the answer of requests that asked to wait for a document.",
    buckets=(0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60),
)
HTTP_UNFORESEEN: Final = Counter(
    "docmill_http_unforeseen", "Requests answered 500 because something unforeseen was raised."
)
HTTP_WAITING: Final = Gauge("docmill_http_waiting", "Requests in a long poll or event stream.")
UPLOADS_ACCEPTED: Final = Counter("docmill_uploads_accepted", "Uploads answered 202.")
UPLOADS_REFUSED: Final = Counter(
    "docmill_uploads_refused", "Uploads refused, by the error's code.", ["code"]
)
UPLOADS_REPEATED: Final = Counter(
    "docmill_uploads_repeated", "Uploads answered from a stored answer by their idempotency key."
)
UPLOAD_BYTES: Final = Counter("docmill_upload_bytes", "Bytes of accepted uploads.")
AUTHENTICATION_FAILURES: Final = Counter(
    "docmill_authentication_failures", "Requests without a good key.", ["reason"]
)

# ── dispatcher ──────────────────────────────────────────────────────────────────────────────────
DISPATCH_TICK_SECONDS: Final = Histogram(
    "docmill_dispatch_tick_seconds", "Time of one tick of the dispatcher.", buckets=_FAST
)
DISPATCH_WAIT_SECONDS: Final = Histogram(
    "docmill_dispatch_wait_seconds",
    "Time a task was ready before it was dispatched.",
    ["pool"],
    buckets=(*_FAST, 60, 300, 900, 3600),
)
HINT_PUBLISH_SECONDS: Final = Histogram(
    "docmill_hint_publish_seconds",
    "Time until RabbitMQ confirmed the hints of one tick.",
    buckets=_FAST,
)
HINTS_PUBLISHED: Final = Counter("docmill_hints_published", "Hints sent to RabbitMQ.", ["pool"])
HINTS_CONFIRMED: Final = Counter("docmill_hints_confirmed", "Hints RabbitMQ confirmed.", ["pool"])
HINTS_RETURNED: Final = Counter(
    "docmill_hints_returned", "Hints returned, refused or not confirmed in time.", ["pool"]
)
HINTS_REPEATED: Final = Counter(
    "docmill_hints_repeated", "Hints sent again for tasks still queued.", ["pool"]
)
TASKS_REAPED: Final = Counter(
    "docmill_tasks_reaped", "Running tasks whose lease ran out.", ["pool"]
)
QUEUE_TASKS: Final = Gauge(
    "docmill_queue_tasks", "Open tasks.", ["pool", "stage", "priority", "state"]
)
QUEUE_OLDEST_SECONDS: Final = Gauge(
    "docmill_queue_oldest_seconds",
    "Age of the oldest task in that state.",
    ["pool", "stage", "priority", "state"],
)
QUEUE_TENANTS: Final = Gauge("docmill_queue_tenants", "Tenants with work waiting.", ["pool"])
FAIRNESS_SPREAD: Final = Gauge(
    "docmill_fairness_spread",
    "How far the tenants with work waiting are apart, in pages by weight; 0 when all have "
    "had their share, and more only while one is held back by a cap of its own.",
    ["pool"],
)
QUEUE_DEAD: Final = Gauge(
    "docmill_queue_dead",
    "Dead tasks that nobody has replayed or put away, those of rejected files left out.",
    ["stage"],
)
POOL_WORKERS: Final = Gauge("docmill_pool_workers", "Workers seen within 30 s.", ["pool"])
POOL_SLOTS: Final = Gauge("docmill_pool_slots", "Slots of the workers seen.", ["pool"])
POOL_PAUSED: Final = Gauge(
    "docmill_pool_paused", "1 while half of its workers report the same dependency down.", ["pool"]
)

# ── workers ─────────────────────────────────────────────────────────────────────────────────────
TASK_ATTEMPTS: Final = Counter(
    "docmill_task_attempts", "Attempts ended, by how.", ["stage", "outcome"]
)
TASK_FAILURES: Final = Counter(
    "docmill_task_failures", "Attempts that failed, by the error's code.", ["stage", "code"]
)
TASK_SECONDS: Final = Histogram(
    "docmill_task_seconds", "Time from claim to commit.", ["stage"], buckets=_PAGE
)
TASK_STEP_SECONDS: Final = Histogram(
    "docmill_task_step_seconds",
    "Time of each step of a task.",
    ["stage", "step"],
    buckets=(0.001, 0.005, *_PAGE),
)
DOCUMENTS_SETTLED: Final = Counter(
    "docmill_documents_settled", "Runs settled, by the document's state.", ["state"]
)
DOCUMENT_SECONDS: Final = Histogram(
    "docmill_document_seconds",
    "Time from a run's begin until it settled, by the document's state.",
    ["state"],
    buckets=_LONG,
)
CLAIMS_STALE: Final = Counter(
    "docmill_claims_stale", "Hints that claimed nothing: stale, cancelled or taken.", ["pool"]
)
COMMITS_FENCED: Final = Counter(
    "docmill_commits_fenced", "Commits refused because the token no longer held.", ["stage"]
)
LEASES_LOST: Final = Counter(
    "docmill_leases_lost", "Tasks stopped because their lease was gone.", ["pool"]
)
SLOTS_BUSY: Final = Gauge("docmill_slots_busy", "Slots of this worker that run a task.", ["pool"])
BREAKER_OPEN: Final = Gauge(
    "docmill_breaker_open", "1 while this worker claims nothing because of it.", ["dependency"]
)
CHILDREN_STARTED: Final = Counter("docmill_children_started", "Child processes started.", ["pool"])
CHILDREN_ENDED: Final = Counter(
    "docmill_children_ended", "Child processes ended, by why.", ["pool", "end"]
)
CHILD_START_SECONDS: Final = Histogram(
    "docmill_child_start_seconds",
    "Time until a child is warm and sandboxed.",
    buckets=(0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4),
)
CHILD_PEAK_BYTES: Final = Histogram(
    "docmill_child_peak_bytes",
    "The most memory a child was seen with during one task.",
    ["pool"],
    buckets=tuple(megabytes * 2**20 for megabytes in (64, 128, 256, 512, 768, 1024, 1536, 2048)),
)
CHILD_LIMIT_BYTES: Final = Gauge(
    "docmill_child_limit_bytes", "Memory a child may take above what it starts with.", ["pool"]
)
SCRATCH_BYTES: Final = Gauge(
    "docmill_scratch_bytes", "Free and total size of the disk with work in progress.", ["state"]
)
SANDBOX_MISSING: Final = Gauge(
    "docmill_sandbox_missing", "1 for each protection this platform lacks.", ["protection"]
)
ARTIFACT_BYTES: Final = Counter("docmill_artifact_bytes", "Bytes of stored artifacts.", ["kind"])
PAGES_PLANNED: Final = Counter(
    "docmill_pages_planned",
    "Pages of validated documents, by where their text comes from.",
    ["source"],
)
OCR_PAGES: Final = Counter(
    "docmill_ocr_pages", "Pages recognised, by the strategy that gave their words.", ["strategy"]
)
OCR_WORDS: Final = Counter(
    "docmill_ocr_words", "Words that were recognised; those that a file has itself left out."
)
OCR_CONFIDENCE: Final = Histogram(
    "docmill_ocr_confidence_ratio",
    "Mean confidence of a page's recognised characters, from 0 to 1; pages without left out.",
    buckets=(0.3, 0.4, 0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 1),
)

# ── notifier ────────────────────────────────────────────────────────────────────────────────────
WEBHOOKS: Final = Counter(
    "docmill_webhooks",
    "Webhook requests: delivered, refused (any other answer), gone (410), "
    "blocked (address not allowed) or failed (no answer).",
    ["answer"],
)
WEBHOOK_SECONDS: Final = Histogram(
    "docmill_webhook_seconds", "Time of one webhook request.", buckets=_FAST
)

# ── scheduler ───────────────────────────────────────────────────────────────────────────────────
SCHEDULER_RUNS: Final = Counter(
    "docmill_scheduler_runs",
    "Runs of a job: succeeded, failed, or abandoned (lease lost).",
    ["cron_job", "result"],
)
SCHEDULER_SECONDS: Final = Histogram(
    "docmill_scheduler_seconds", "Time of one run of a job.", ["cron_job"], buckets=_LONG
)
SCHEDULER_ROWS: Final = Counter(
    "docmill_scheduler_rows", "Things a job expired, deleted or found.", ["cron_job"]
)
SCHEDULER_LAST_SUCCESS: Final = Gauge(
    "docmill_scheduler_last_success_timestamp_seconds",
    "When the job last succeeded, in any replica (Unix time).",
    ["cron_job"],
)
SCHEDULER_STALE: Final = Gauge(
    "docmill_scheduler_stale",
    "1 when the job has not succeeded for twice its interval, and at least two hours.",
    ["cron_job"],
)
ORPHANS: Final = Gauge(
    "docmill_orphans", "Stored objects that no row refers to, at the last sweep."
)
ORPHAN_SWEEPS_STOPPED: Final = Counter(
    "docmill_orphan_sweeps_stopped", "Sweeps that found too many orphans to believe, and stopped."
)
INVARIANT_VIOLATIONS: Final = Gauge(
    "docmill_invariant_violations",
    "Violations the last audit found; anything but 0 is a bug.",
    ["invariant"],
)


def catalogue() -> list[MetricWrapperBase]:
    """Return every metric of this file, in its order."""
    return [value for value in globals().values() if isinstance(value, MetricWrapperBase)]
