"""The shipped rules and dashboards against a running stack: faults, who is told, what is shown."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import pytest

from deploy.local.service import NAMES
from deploy.local.stack import Stack
from docmill.domain.task import Pool
from tests.alerts.conftest import Busy, Told
from tests.stack.monitoring import Monitoring
from tests.stack.promql import Asked, of_containers, of_panels, panels
from tests.stack.wait import until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]
PAGES: Final = 24  # work for some seconds
# About the machine the tests run on, not about what they do.
MACHINE: Final = {
    "DocmillCpuHigh",
    "DocmillDiskFilling",
    "DocmillLatencyHigh",
    "DocmillMemoryHigh",
    "DocmillSandboxIncomplete",
}


def expr(title: str) -> str:
    """Return the first expression of a panel."""
    return str(next(each["targets"][0]["expr"] for _, each in panels() if each["title"] == title))


def calm(watched: Monitoring) -> bool:
    return not set(watched.firing()) - MACHINE


@dataclass(frozen=True)
class Fault:
    """What is broken, what must be heard of it, and how panels move."""

    breaks: Callable[[Stack], object]
    mends: Callable[[Stack], object]
    alerts: frozenset[str]
    moves: dict[str, Callable[[float], bool]]  # by panel: whether its value shows the fault


def moved(watched: Monitoring, fault: Fault) -> dict[str, bool]:
    """Tell of each panel whether it shows the fault."""
    return {title: shows(watched.value(expr(title))) for title, shows in fault.moves.items()}


def stop_store(stack: Stack) -> None:
    stack.s3.kill()


def start_store(stack: Stack) -> None:
    stack.s3.start()
    stack.s3.wait_ready()


def stop_ocr(stack: Stack) -> None:
    stack.services["ocr"].kill()


def start_ocr(stack: Stack) -> None:
    stack.services["ocr"].start()
    stack.services["ocr"].wait_ready()


def alarm(stack: Stack) -> None:
    stack.rabbitmq.control("set_vm_memory_high_watermark", "0.000001")


def calm_down(stack: Stack) -> None:
    stack.rabbitmq.control("set_vm_memory_high_watermark", "absolute", "512MB")


def risen(value: float) -> bool:
    return value > 0


FAULTS: Final = {
    "the store is away": Fault(
        stop_store,
        start_store,
        frozenset({"DocmillStoreFailing", "DocmillErrorsHigh", "DocmillAvailabilityBurnFast"}),
        {"Errors": risen, "S3 errors": risen, "Open breakers": risen},
    ),
    "the only OCR worker is killed": Fault(
        stop_ocr,
        start_ocr,
        frozenset({"DocmillTargetDown", "DocmillWorkersMissing", "DocmillStageStalled"}),
        {
            "Workers": lambda pools: pools < len(Pool),
            "Targets that answer": lambda up: up < len(NAMES),
        },
    ),
    "the broker blocks": Fault(
        alarm,
        calm_down,
        frozenset({"DocmillBrokerAlarm"}),
        {"RabbitMQ alarms": risen},
    ),
}


@pytest.mark.parametrize("told", FAULTS)
def test_a_fault_fires_its_alerts_moves_its_panels_and_resolves(
    stack: Stack, watched: Monitoring, busy: Busy, told: str
) -> None:
    fault = FAULTS[told]
    # The first scrapes may be yet to come, and what another fault left to die away.
    until(lambda: calm(watched) and not any(moved(watched, fault).values()), within=120, every=0.5)
    busy.upload(PAGES)  # what no worker meets opens no breaker
    fault.breaks(stack)
    try:
        until(lambda: fault.alerts <= set(watched.firing()), within=120, every=0.5)
        until(lambda: all(moved(watched, fault).values()), within=60, every=0.5)
    finally:
        fault.mends(stack)
    until(lambda: not fault.alerts & set(watched.firing()), within=120, every=0.5)


def test_a_page_reaches_people_with_its_runbook_and_dashboard(
    stack: Stack, watched: Monitoring
) -> None:
    alarm(stack)
    try:
        until(lambda: len(watched.notified("DocmillBrokerAlarm")) > 1, within=90, every=0.5)
    finally:
        calm_down(stack)
    for body in watched.notified("DocmillBrokerAlarm")[:2]:  # PagerDuty and Slack
        assert "docs/runbooks/DocmillBrokerAlarm.md" in body
        assert "/d/docmill-stores" in body


def test_the_dispatcher_says_that_the_broker_blocks(stack: Stack, watched: Monitoring) -> None:
    def told() -> dict[str, object]:
        return dict(stack.services["dispatcher"].readiness().get("checks", {}).get("rabbitmq", {}))

    until(lambda: told().get("ok"))
    alarm(stack)
    try:
        until(lambda: "alarm" in str(told().get("detail")), within=30)
    finally:
        calm_down(stack)
    until(lambda: told().get("ok"))


# ── panels ───────────────────────────────────────────────────────────────────────────────────────
def test_every_panel_answers_with_data(watched: Monitoring, tell_counts: Told) -> None:
    asked = [each for each in of_panels() if each not in of_containers()]
    counts: dict[Asked, int] = {}

    def empty() -> list[Asked]:
        for each in asked:
            if not counts.get(each):
                counts[each] = len(watched.values(each.expr))
        return [each for each in asked if not counts[each]]

    try:
        until(lambda: not empty(), within=120, every=2)
    finally:
        tell_counts(counts)


FEW: Final = 8  # tasks that the load alone has waiting
MOVES: Final = (
    "Documents settled",
    "Pages recognised",
    "S3 requests",
    "Uploads",
    "Webhook requests",
)


def peaks(watched: Monitoring) -> dict[str, float]:
    """Return the highest value lately of each panel that work should move."""
    return {title: max(watched.values(expr(title), over=20), default=0.0) for title in MOVES}


def at_rest(watched: Monitoring) -> bool:
    """Whether no backlog, of a fault for example, was worked off lately: that is a peak too."""
    waiting = watched.values("namespace_pool:docmill_queue_tasks:waiting", over=25)
    return max(waiting, default=FEW) < FEW


def test_work_moves_the_panels_that_are_about_it(watched: Monitoring, busy: Busy) -> None:
    until(lambda: at_rest(watched) and all(peaks(watched).values()), within=180, every=0.5)
    before = peaks(watched)
    busy.client.ended(busy.upload(PAGES))

    def still() -> list[str]:
        after = peaks(watched)
        return [title for title in MOVES if after[title] <= before[title]]

    until(lambda: not still(), within=15, every=0.5)  # the last webhooks may not be scraped yet
