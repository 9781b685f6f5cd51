"""Is docmill well for its callers? Objectives, and rate, errors and duration of each service."""

from grafana_foundation_sdk.builders.dashboard import Dashboard

from deploy.grafana.src.panel import Query, board, figure, graph
from deploy.grafana.src.term import OURS, Unit

OBJECTIVES = (
    figure(
        "Errors, 6 h",
        "Share of the requests answered with 5xx; the objective is less than 0.1 %.",
        Unit.SHARE,
        Query(f"namespace:docmill_http_errors:ratio_rate6h{{{OURS}}}", "errors"),
        alert="DocmillAvailabilityBurnSlow",
    ),
    figure(
        "Slow documents, 1 h",
        "Share of the documents that became ready later than a minute after their run began; "
        "the objective is less than 5 %.",
        Unit.SHARE,
        Query(f"namespace:docmill_documents_slow:ratio_rate1h{{{OURS}}}", "slow"),
        alert="DocmillTimeToReadyBurn",
    ),
    figure(
        "Violated invariants",
        "What the hourly audit found last; anything but 0 is a defect.",
        Unit.COUNT,
        Query(
            f"sum(max by (namespace, invariant) (docmill_invariant_violations{{{OURS}}}))",
            "violations",
        ),
        alert="DocmillInvariantViolated",
    ),
)
INGEST = (
    graph(
        "Requests",
        "Requests answered, by route.",
        Unit.PER_SECOND,
        Query(f"namespace_route:docmill_http_requests:rate5m{{{OURS}}}", "{{method}} {{route}}"),
    ),
    graph(
        "Errors",
        "Share of the requests answered with 5xx, over 5 minutes and over 1 hour.",
        Unit.SHARE,
        Query(f"namespace:docmill_http_errors:ratio_rate5m{{{OURS}}}", "5 min {{namespace}}"),
        Query(f"namespace:docmill_http_errors:ratio_rate1h{{{OURS}}}", "1 h {{namespace}}"),
        alert="DocmillErrorsHigh",
    ),
    graph(
        "Duration",
        "95th percentile until the answer's headers, of requests that did not ask to wait.",
        Unit.SECONDS,
        Query(f"namespace:docmill_http_seconds:p95_5m{{{OURS}}}", "all {{namespace}}"),
        alert="DocmillLatencyHigh",
    ),
    graph(
        "Duration by route",
        "95th percentile until the answer's headers, by route.",
        Unit.SECONDS,
        Query(f"namespace_route:docmill_http_seconds:p95_5m{{{OURS}}}", "{{method}} {{route}}"),
    ),
    graph(
        "Waits for documents",
        "95th percentile of the requests that asked to wait for a document.",
        Unit.SECONDS,
        Query(f"namespace:docmill_http_wait_seconds:p95_5m{{{OURS}}}", "{{namespace}}"),
        alert="DocmillWaitsLong",
    ),
    graph(
        "Uploads",
        "Accepted, answered from an idempotency key, and refused by code, quotas among them.",
        Unit.PER_SECOND,
        Query(f"sum(rate(docmill_uploads_accepted_total{{{OURS}}}[5m]))", "accepted"),
        Query(f"sum(rate(docmill_uploads_repeated_total{{{OURS}}}[5m]))", "repeated"),
        Query(f"sum by (code) (rate(docmill_uploads_refused_total{{{OURS}}}[5m]))", "{{code}}"),
    ),
    graph(
        "Upload volume",
        "Bytes of accepted uploads.",
        Unit.BYTES_PER_SECOND,
        Query(f"sum(rate(docmill_upload_bytes_total{{{OURS}}}[5m]))", "accepted"),
    ),
    graph(
        "Authentication failures",
        "Requests without a good key, by what was wrong with it.",
        Unit.PER_SECOND,
        Query(
            f"sum by (reason) (rate(docmill_authentication_failures_total{{{OURS}}}[5m]))",
            "{{reason}}",
        ),
    ),
    graph(
        "Waiting callers",
        "Requests in a long poll or event stream, by process.",
        Unit.COUNT,
        Query(f"docmill_http_waiting{{{OURS}}}", "{{instance}}"),
    ),
)
WORKERS = (
    graph(
        "Tasks",
        "Attempts ended, by stage.",
        Unit.PER_SECOND,
        Query(f"namespace_stage:docmill_task_attempts:rate5m{{{OURS}}}", "{{stage}}"),
    ),
    graph(
        "Failed tasks",
        "Share of the attempts that did not end well, by stage.",
        Unit.SHARE,
        Query(
            f'sum by (stage) (rate(docmill_task_attempts_total{{{OURS},outcome!="done"}}[5m]))'
            f" / sum by (stage) (rate(docmill_task_attempts_total{{{OURS}}}[5m]) > 0)",
            "{{stage}}",
        ),
    ),
    graph(
        "Task duration",
        "95th percentile from claim to commit, by stage.",
        Unit.SECONDS,
        Query(f"namespace_stage:docmill_task_seconds:p95_5m{{{OURS}}}", "{{stage}}"),
    ),
)
OTHERS = (
    graph(
        "Scheduler: age of the last success",
        "By job. Daily jobs are a day old at most.",
        Unit.SECONDS,
        Query(
            "time() - max by (cron_job)"
            f" (docmill_scheduler_last_success_timestamp_seconds{{{OURS}}})",
            "{{cron_job}}",
        ),
    ),
    graph(
        "Scheduler: stale jobs",
        "1 when the job has not succeeded for twice its interval, and at least two hours.",
        Unit.COUNT,
        Query(f"max by (cron_job) (docmill_scheduler_stale{{{OURS}}})", "{{cron_job}}"),
    ),
    graph(
        "Scheduler: runs",
        "Runs ended, by result.",
        Unit.PER_SECOND,
        Query(f"sum by (result) (rate(docmill_scheduler_runs_total{{{OURS}}}[5m]))", "{{result}}"),
    ),
    graph(
        "Scheduler: things done",
        "What jobs expired, deleted or found.",
        Unit.PER_SECOND,
        Query(
            f"sum by (cron_job) (rate(docmill_scheduler_rows_total{{{OURS}}}[5m]))", "{{cron_job}}"
        ),
    ),
    graph(
        "Builds",
        "Processes of each service, by build; two builds during a rollout only.",
        Unit.COUNT,
        Query(
            f"count by (component, version) (docmill_build_info{{{OURS}}})",
            "{{component}} {{version}}",
        ),
    ),
    graph(
        "Unforeseen answers",
        "Requests answered 500 because something unforeseen was raised; each is in the log.",
        Unit.PER_SECOND,
        Query(f"sum(rate(docmill_http_unforeseen_total{{{OURS}}}[5m]))", "unforeseen"),
    ),
)


def dashboard() -> Dashboard:
    return board(
        "overview",
        "Overview",
        "Is docmill well for its callers?",
        {
            "Objectives": OBJECTIVES,
            "Ingest": INGEST,
            "Workers": WORKERS,
            "Scheduler and rollouts": OTHERS,
        },
    )
