"""Do the stores answer? S3, PostgreSQL and RabbitMQ, as docmill sees them."""

from grafana_foundation_sdk.builders.dashboard import Dashboard

from deploy.grafana.src.panel import Query, board, graph
from deploy.grafana.src.term import OURS, Unit

BREAKERS = (
    graph(
        "Open breakers",
        "Workers that claim nothing because a dependency does not answer them.",
        Unit.COUNT,
        Query(
            f"sum by (dependency) (docmill_breaker_open{{{OURS}}})",
            "{{dependency}}",
        ),
        alert="DocmillBreakerOpen",
    ),
    graph(
        "Connected to RabbitMQ",
        "Share of each service's processes that have their connection.",
        Unit.SHARE,
        Query(f"avg by (job) (docmill_broker_connected{{{OURS}}})", "{{job}}"),
        alert="DocmillBrokerDisconnected",
    ),
    graph(
        "Orphans",
        "Stored objects that no row refers to, at the last sweep.",
        Unit.COUNT,
        Query(f"max by (namespace) (docmill_orphans{{{OURS}}})", "{{namespace}}"),
    ),
)
S3 = (
    graph(
        "S3 requests",
        "Requests answered, by action.",
        Unit.PER_SECOND,
        Query(f"sum by (action) (rate(docmill_store_seconds_count{{{OURS}}}[5m]))", "{{action}}"),
    ),
    graph(
        "S3 errors",
        "Share of the requests that were not answered, or with 5xx.",
        Unit.SHARE,
        Query(f"namespace:docmill_store_errors:ratio_rate5m{{{OURS}}}", "{{namespace}}"),
        alert="DocmillStoreFailing",
    ),
    graph(
        "S3 duration",
        "95th percentile of one request, by action.",
        Unit.SECONDS,
        Query(
            "histogram_quantile(0.95, sum by (action, le)"
            f" (rate(docmill_store_seconds_bucket{{{OURS}}}[5m])))",
            "{{action}}",
        ),
    ),
)
POSTGRESQL = (
    graph(
        "Connections to PostgreSQL",
        "Used and idle connections of each service's pools, and the most they open.",
        Unit.COUNT,
        Query(
            f'sum by (job, state) (docmill_database_connections{{{OURS},state!="waiting"}})',
            "{{job}} {{state}}",
        ),
        Query(f"sum by (job) (docmill_database_connections_limit{{{OURS}}})", "{{job}} limit"),
    ),
    graph(
        "Callers without a connection",
        "Callers that queue for a connection, and those who got none in time.",
        Unit.COUNT,
        Query(
            f'max by (job) (docmill_database_connections{{{OURS},state="waiting"}})',
            "{{job}} waiting",
        ),
        Query(
            f"sum by (job) (rate(docmill_database_pool_exhausted_total{{{OURS}}}[5m]))",
            "{{job}} exhausted a second",
        ),
        alert="DocmillDatabasePoolExhausted",
    ),
    graph(
        "Transactions run again",
        "By cause; they spend no attempt.",
        Unit.PER_SECOND,
        Query(f"sum by (cause) (rate(docmill_database_retries_total{{{OURS}}}[5m]))", "{{cause}}"),
    ),
)
RABBITMQ = (
    graph(
        "Connections made to RabbitMQ",
        "Each after a process's first is a reconnect.",
        Unit.PER_SECOND,
        Query(f"sum by (job) (rate(docmill_broker_connections_total{{{OURS}}}[5m]))", "{{job}}"),
    ),
    graph(
        "Hints in RabbitMQ",
        "Messages ready and unacknowledged: never a backlog, PostgreSQL holds that.",
        Unit.COUNT,
        Query("sum(rabbitmq_queue_messages_ready)", "ready"),
        Query("sum(rabbitmq_queue_messages_unacked)", "unacknowledged"),
    ),
    graph(
        "RabbitMQ alarms",
        "1 while a node blocks every publisher for want of memory, disk or file descriptors.",
        Unit.COUNT,
        Query("rabbitmq_alarms_memory_used_watermark", "memory {{instance}}"),
        Query("rabbitmq_alarms_free_disk_space_watermark", "disk {{instance}}"),
        Query("rabbitmq_alarms_file_descriptor_limit", "file descriptors {{instance}}"),
        alert="DocmillBrokerAlarm",
    ),
    graph(
        "RabbitMQ memory",
        "Resident memory of the node, and where it begins to block.",
        Unit.BYTES,
        Query("rabbitmq_process_resident_memory_bytes", "{{instance}}"),
        Query("rabbitmq_resident_memory_limit_bytes", "{{instance}} limit"),
    ),
    graph(
        "RabbitMQ disk",
        "Free disk of the node, and where it begins to block.",
        Unit.BYTES,
        Query("rabbitmq_disk_space_available_bytes", "{{instance}}"),
        Query("rabbitmq_disk_space_available_limit_bytes", "{{instance}} limit"),
    ),
)


def dashboard() -> Dashboard:
    return board(
        "stores",
        "Stores and broker",
        "Do the stores answer?",
        {
            "At a glance": BREAKERS,
            "S3": S3,
            "PostgreSQL": POSTGRESQL,
            "RabbitMQ": RABBITMQ,
        },
    )
