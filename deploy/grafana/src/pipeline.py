"""Does work move? Queues, ages, fairness, dispatch, outcomes, webhooks."""

from grafana_foundation_sdk.builders.dashboard import Dashboard

from deploy.grafana.src.panel import Query, board, graph
from deploy.grafana.src.term import OURS, Unit

_ONCE = "max by (namespace, pool, stage, priority, state)"  # several dispatchers say the same
QUEUES = (
    graph(
        "Waiting",
        "Tasks that are ready or hinted and not claimed, by pool.",
        Unit.COUNT,
        Query(f"namespace_pool:docmill_queue_tasks:waiting{{{OURS}}}", "{{pool}}"),
        alert="DocmillQueueDeep",
    ),
    graph(
        "Oldest waiting",
        "Age of the oldest task that is ready or hinted, by pool.",
        Unit.SECONDS,
        Query(f"namespace_pool:docmill_queue_oldest_seconds:max{{{OURS}}}", "{{pool}}"),
        alert="DocmillQueueOld",
    ),
    graph(
        "In flight",
        "Tasks that run, by stage.",
        Unit.COUNT,
        Query(
            f'sum by (stage) ({_ONCE} (docmill_queue_tasks{{{OURS},state="running"}}))',
            "{{stage}}",
        ),
    ),
    graph(
        "Waiting by stage and priority",
        "Tasks that are ready or hinted.",
        Unit.COUNT,
        Query(
            "sum by (stage, priority)"
            f' ({_ONCE} (docmill_queue_tasks{{{OURS},state=~"ready|queued"}}))',
            "{{stage}} {{priority}}",
        ),
    ),
    graph(
        "Waiting to be tried again",
        "Tasks whose next attempt is due later, by stage.",
        Unit.COUNT,
        Query(
            f'sum by (stage) ({_ONCE} (docmill_queue_tasks{{{OURS},state="scheduled"}}))',
            "{{stage}}",
        ),
    ),
    graph(
        "Dead letters",
        "Tasks given up and kept for replay, by stage.",
        Unit.COUNT,
        Query(f"max by (stage) (docmill_queue_dead{{{OURS}}})", "{{stage}}"),
    ),
)
SLOTS = (
    graph(
        "Slots",
        "Slots of the workers seen within 30 s, and those that run a task, by pool.",
        Unit.COUNT,
        Query(f"max by (pool) (docmill_pool_slots{{{OURS}}})", "{{pool}}"),
        Query(f"sum by (pool) (docmill_slots_busy{{{OURS}}})", "{{pool}} busy"),
    ),
    graph(
        "Workers",
        "Workers seen within 30 s, by pool.",
        Unit.COUNT,
        Query(f"max by (pool) (docmill_pool_workers{{{OURS}}})", "{{pool}}"),
        alert="DocmillWorkersMissing",
    ),
    graph(
        "Paused pools",
        "1 while half of a pool's workers report the same dependency down.",
        Unit.COUNT,
        Query(f"max by (pool) (docmill_pool_paused{{{OURS}}})", "{{pool}}"),
        alert="DocmillPoolPaused",
    ),
)
DISPATCH = (
    graph(
        "Wait for dispatch",
        "95th percentile of the time that a task was ready before it was dispatched.",
        Unit.SECONDS,
        Query(
            "histogram_quantile(0.95, sum by (pool, le)"
            f" (rate(docmill_dispatch_wait_seconds_bucket{{{OURS}}}[5m])))",
            "{{pool}}",
        ),
    ),
    graph(
        "Tick and publish",
        "95th percentile of the dispatcher's tick, and of a publish until its confirms.",
        Unit.SECONDS,
        Query(
            "histogram_quantile(0.95, sum by (le)"
            f" (rate(docmill_dispatch_tick_seconds_bucket{{{OURS}}}[5m])))",
            "tick",
        ),
        Query(
            "histogram_quantile(0.95, sum by (le)"
            f" (rate(docmill_hint_publish_seconds_bucket{{{OURS}}}[5m])))",
            "publish",
        ),
    ),
    graph(
        "Ticks",
        "Ticks of each dispatcher; none means that nothing is handed out.",
        Unit.PER_SECOND,
        Query(f"rate(docmill_dispatch_tick_seconds_count{{{OURS}}}[5m])", "{{instance}}"),
    ),
    graph(
        "Hints",
        "Hints sent, confirmed, returned or unconfirmed, and sent again.",
        Unit.PER_SECOND,
        Query(f"sum(rate(docmill_hints_published_total{{{OURS}}}[5m]))", "published"),
        Query(f"sum(rate(docmill_hints_confirmed_total{{{OURS}}}[5m]))", "confirmed"),
        Query(f"sum(rate(docmill_hints_returned_total{{{OURS}}}[5m]))", "returned"),
        Query(f"sum(rate(docmill_hints_repeated_total{{{OURS}}}[5m]))", "repeated"),
    ),
    graph(
        "Waiting tenants",
        "Tenants with work waiting, by pool.",
        Unit.COUNT,
        Query(f"max by (pool) (docmill_queue_tenants{{{OURS}}})", "{{pool}}"),
    ),
    graph(
        "Fairness",
        "How far the waiting tenants are apart in pages by weight; it stays near 1 unless a "
        "tenant's own cap holds it back.",
        Unit.COUNT,
        Query(f"max by (pool) (docmill_fairness_spread{{{OURS}}})", "{{pool}}"),
    ),
)
OUTCOMES = (
    graph(
        "Documents settled",
        "Runs that ended, by the document's state.",
        Unit.PER_SECOND,
        Query(f"sum by (state) (rate(docmill_documents_settled_total{{{OURS}}}[5m]))", "{{state}}"),
    ),
    graph(
        "Time to ready",
        "From a run's begin until the document is ready.",
        Unit.SECONDS,
        Query(
            "histogram_quantile(0.5, sum by (le)"
            f' (rate(docmill_document_seconds_bucket{{{OURS},state="ready"}}[5m])))',
            "median",
        ),
        Query(
            "histogram_quantile(0.95, sum by (le)"
            f' (rate(docmill_document_seconds_bucket{{{OURS},state="ready"}}[5m])))',
            "95th percentile",
        ),
    ),
    graph(
        "Attempts",
        "Attempts ended, by outcome.",
        Unit.PER_SECOND,
        Query(f"sum by (outcome) (rate(docmill_task_attempts_total{{{OURS}}}[5m]))", "{{outcome}}"),
    ),
    graph(
        "Failures",
        "Attempts that failed, by the error's code.",
        Unit.PER_SECOND,
        Query(
            f"sum by (stage, code) (rate(docmill_task_failures_total{{{OURS}}}[5m]))",
            "{{stage}} {{code}}",
        ),
    ),
    graph(
        "Lost leases",
        "Leases that the dispatcher saw run out, work that workers stopped for want of one, "
        "and commits that the token refused.",
        Unit.PER_SECOND,
        Query(f"sum by (pool) (rate(docmill_tasks_reaped_total{{{OURS}}}[5m]))", "reaped {{pool}}"),
        Query(f"sum by (pool) (rate(docmill_leases_lost_total{{{OURS}}}[5m]))", "lost {{pool}}"),
        Query(
            f"sum by (stage) (rate(docmill_commits_fenced_total{{{OURS}}}[5m]))", "fenced {{stage}}"
        ),
    ),
    graph(
        "Stale hints",
        "Hints that claimed nothing: harmless, and few.",
        Unit.PER_SECOND,
        Query(f"sum by (pool) (rate(docmill_claims_stale_total{{{OURS}}}[5m]))", "{{pool}}"),
    ),
)
WEBHOOKS = (
    graph(
        "Webhook requests",
        "By what became of them.",
        Unit.PER_SECOND,
        Query(f"sum by (answer) (rate(docmill_webhooks_total{{{OURS}}}[5m]))", "{{answer}}"),
    ),
    graph(
        "Failed webhook requests",
        "Share that was refused, blocked or not answered, over 15 minutes.",
        Unit.SHARE,
        Query(f"namespace:docmill_webhooks_failed:ratio_rate15m{{{OURS}}}", "{{namespace}}"),
        alert="DocmillWebhooksFailing",
    ),
    graph(
        "Webhook duration",
        "95th percentile of one request.",
        Unit.SECONDS,
        Query(
            "histogram_quantile(0.95, sum by (le)"
            f" (rate(docmill_webhook_seconds_bucket{{{OURS}}}[5m])))",
            "webhook",
        ),
    ),
)


def dashboard() -> Dashboard:
    return board(
        "pipeline",
        "Pipeline",
        "Does work move?",
        {
            "Queues": QUEUES,
            "Slots": SLOTS,
            "Dispatch and fairness": DISPATCH,
            "Outcomes": OUTCOMES,
            "Webhooks": WEBHOOKS,
        },
    )
