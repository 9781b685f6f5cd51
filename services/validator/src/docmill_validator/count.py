"""Counts the pages that validated files were planned into, in the worker's own process."""

from collections.abc import Mapping
from typing import Any

from docmill.domain.plan import Plan
from docmill.domain.task import Stage
from docmill.ops import metrics
from docmill.ops.middleware import Unforeseen, attempted


def count(_stage: Stage, facts: Mapping[str, Any]) -> None:
    """Count the plan's pages; a child may tell anything, and the commit refuses a bad plan."""
    plan = attempted(lambda: Plan.from_json(facts["plan"]))
    if isinstance(plan, Unforeseen):
        return
    for page in plan.pages:
        metrics.PAGES_PLANNED.labels(page.source).inc()
