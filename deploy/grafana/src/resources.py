"""Is there enough of everything? Memory, processors, disks, restarts."""

from grafana_foundation_sdk.builders.dashboard import Dashboard

from deploy.grafana.src.panel import Query, board, graph
from deploy.grafana.src.term import OURS, Unit

_OURS = f'{OURS},job=~".*docmill.*"'
_NAMES = "ingest|dispatcher|validator|ocr|thumbnailer|notifier|scheduler"
_CONTAINER = f'{OURS},container=~"{_NAMES}"'
PROCESSES = (
    graph(
        "Memory",
        "Resident memory of the services' own processes, without their children.",
        Unit.BYTES,
        Query(f"sum by (job) (process_resident_memory_bytes{{{_OURS}}})", "{{job}}"),
    ),
    graph(
        "Processors",
        "Cores that the services' own processes use, without their children.",
        Unit.CORES,
        Query(f"sum by (job) (rate(process_cpu_seconds_total{{{_OURS}}}[5m]))", "{{job}}"),
    ),
    graph(
        "File descriptors",
        "Share of the open files a process may have.",
        Unit.SHARE,
        Query(
            f"max by (job) (process_open_fds{{{_OURS}}} / process_max_fds{{{_OURS}}})", "{{job}}"
        ),
    ),
    graph(
        "Restarts",
        "New starts of a process within 30 minutes.",
        Unit.COUNT,
        Query(f"sum by (job) (changes(process_start_time_seconds{{{_OURS}}}[30m]))", "{{job}}"),
        alert="DocmillServiceRestarts",
    ),
    graph(
        "Work in progress on disk",
        "How full the disk is that holds the workers' scratch folders.",
        Unit.SHARE,
        Query(
            f'1 - docmill_scratch_bytes{{{OURS},state="free"}} / ignoring (state)'
            f' docmill_scratch_bytes{{{OURS},state="total"}}',
            "{{job}} {{instance}}",
        ),
        alert="DocmillDiskFilling",
    ),
    graph(
        "Targets that answer",
        "Share of each service's processes that Prometheus can scrape.",
        Unit.SHARE,
        Query(f"avg by (job) (up{{{_OURS}}})", "{{job}}"),
        alert="DocmillTargetDown",
    ),
)
NODES = (
    graph(
        "Memory of nodes",
        "Share that is used.",
        Unit.SHARE,
        Query("1 - node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes", "{{instance}}"),
        alert="DocmillMemoryHigh",
    ),
    graph(
        "Processors of nodes",
        "Share that is busy.",
        Unit.SHARE,
        Query(
            '1 - avg by (instance) (rate(node_cpu_seconds_total{mode="idle"}[5m]))', "{{instance}}"
        ),
        alert="DocmillCpuHigh",
    ),
    graph(
        "Disks of nodes",
        "How full each file system is.",
        Unit.SHARE,
        Query(
            '1 - node_filesystem_avail_bytes{fstype!~"tmpfs|ramfs"} / node_filesystem_size_bytes',
            "{{instance}} {{mountpoint}}",
        ),
        alert="DocmillDiskFilling",
    ),
)
CONTAINERS = (
    graph(
        "Memory of containers",
        "Share of the limit that a container uses, its children included.",
        Unit.SHARE,
        Query(
            f"container_memory_working_set_bytes{{{_CONTAINER}}}"
            f" / (container_spec_memory_limit_bytes{{{_CONTAINER}}} > 0)",
            "{{pod}}",
        ),
        alert="DocmillMemoryHigh",
        cluster_only=True,
    ),
    graph(
        "Processors of containers",
        "Cores that a container uses, its children included.",
        Unit.CORES,
        Query(
            f"sum by (pod) (rate(container_cpu_usage_seconds_total{{{_CONTAINER}}}[5m]))", "{{pod}}"
        ),
        cluster_only=True,
    ),
    graph(
        "Throttled containers",
        "Share of the scheduling periods in which a container was held back by its limit.",
        Unit.SHARE,
        Query(
            f"sum by (pod) (rate(container_cpu_cfs_throttled_periods_total{{{_CONTAINER}}}[5m]))"
            f" / sum by (pod) (rate(container_cpu_cfs_periods_total{{{_CONTAINER}}}[5m]))",
            "{{pod}}",
        ),
        cluster_only=True,
    ),
)


def dashboard() -> Dashboard:
    return board(
        "resources",
        "Resources",
        "Is there enough of everything?",
        {"Processes": PROCESSES, "Nodes": NODES, "Containers": CONTAINERS},
    )
