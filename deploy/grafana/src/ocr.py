"""How well, and how fast, are pages read? Strategies, confidence, children and their memory."""

from grafana_foundation_sdk.builders.dashboard import Dashboard

from deploy.grafana.src.panel import Query, board, graph
from deploy.grafana.src.term import OURS, Unit

READING = (
    graph(
        "Pages recognised",
        "By the strategy that gave their words: the first look (plain), or a remedy after it.",
        Unit.PER_SECOND,
        Query(f"sum by (strategy) (rate(docmill_ocr_pages_total{{{OURS}}}[5m]))", "{{strategy}}"),
    ),
    graph(
        "Confidence",
        "Mean confidence of a page's words: half of the pages, and nine of ten, are above.",
        Unit.SHARE,
        Query(
            "histogram_quantile(0.5, sum by (le)"
            f" (rate(docmill_ocr_confidence_ratio_bucket{{{OURS}}}[5m])))",
            "median",
        ),
        Query(
            "histogram_quantile(0.1, sum by (le)"
            f" (rate(docmill_ocr_confidence_ratio_bucket{{{OURS}}}[5m])))",
            "lowest tenth",
        ),
    ),
    graph(
        "Where text comes from",
        "Pages of validated documents: the file's own text layer, or recognition.",
        Unit.PER_SECOND,
        Query(f"sum by (source) (rate(docmill_pages_planned_total{{{OURS}}}[5m]))", "{{source}}"),
    ),
    graph(
        "Words",
        "Words found on recognised pages.",
        Unit.PER_SECOND,
        Query(f"sum(rate(docmill_ocr_words_total{{{OURS}}}[5m]))", "words"),
    ),
    graph(
        "Time of a page",
        "From claim to commit of one recognised page.",
        Unit.SECONDS,
        Query(
            "histogram_quantile(0.5, sum by (le)"
            f' (rate(docmill_task_seconds_bucket{{{OURS},stage="recognise"}}[5m])))',
            "median",
        ),
        Query(
            "histogram_quantile(0.95, sum by (le)"
            f' (rate(docmill_task_seconds_bucket{{{OURS},stage="recognise"}}[5m])))',
            "95th percentile",
        ),
    ),
    graph(
        "Where a page's time goes",
        "Mean time of each step of recognise.",
        Unit.SECONDS,
        Query(
            "sum by (step)"
            f' (rate(docmill_task_step_seconds_sum{{{OURS},stage="recognise"}}[5m]))'
            " / sum by (step)"
            f' (rate(docmill_task_step_seconds_count{{{OURS},stage="recognise"}}[5m]))',
            "{{step}}",
        ),
    ),
)
CHILDREN = (
    graph(
        "Memory of children",
        "95th percentile of the most that a child was seen with during a task, and what it may "
        "take above its start.",
        Unit.BYTES,
        Query(
            "histogram_quantile(0.95, sum by (pool, le)"
            f" (rate(docmill_child_peak_bytes_bucket{{{OURS}}}[5m])))",
            "{{pool}}",
        ),
        Query(f"max by (pool) (docmill_child_limit_bytes{{{OURS}}})", "{{pool}} limit"),
    ),
    graph(
        "Children ended",
        "By pool and why: recycled after their share, killed by us, crashed, stopped.",
        Unit.PER_SECOND,
        Query(
            f"sum by (pool, end) (rate(docmill_children_ended_total{{{OURS}}}[5m]))",
            "{{pool}} {{end}}",
        ),
    ),
    graph(
        "Children started",
        "Child processes started, by pool.",
        Unit.PER_SECOND,
        Query(f"sum by (pool) (rate(docmill_children_started_total{{{OURS}}}[5m]))", "{{pool}}"),
    ),
    graph(
        "Start of a child",
        "95th percentile until a child is warm and sandboxed.",
        Unit.SECONDS,
        Query(
            "histogram_quantile(0.95, sum by (job, le)"
            f" (rate(docmill_child_start_seconds_bucket{{{OURS}}}[1h])))",
            "{{job}}",
        ),
    ),
    graph(
        "Missing protections",
        "1 for each protection of the sandbox that the platform of a worker lacks.",
        Unit.COUNT,
        Query(f"max by (protection) (docmill_sandbox_missing{{{OURS}}})", "{{protection}}"),
        alert="DocmillSandboxIncomplete",
    ),
    graph(
        "Artifacts",
        "Bytes of stored artifacts, by kind.",
        Unit.BYTES_PER_SECOND,
        Query(f"sum by (kind) (rate(docmill_artifact_bytes_total{{{OURS}}}[5m]))", "{{kind}}"),
    ),
)


def dashboard() -> Dashboard:
    return board(
        "ocr",
        "OCR",
        "How well, and how fast, are pages read?",
        {"Reading": READING, "Children": CHILDREN},
    )
