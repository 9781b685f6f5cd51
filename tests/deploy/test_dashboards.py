"""The committed dashboards: what a person sees, before any data."""

import re
from typing import Any

import pytest

from deploy.grafana.src.rule import alerts
from deploy.grafana.src.term import FOLDER, OURS, Unit
from tests.stack.promql import names, panels

PANELS = list(panels())
NAMED = [f"{board}: {panel['title']}" for board, panel in PANELS]
ALERT = re.compile(r"Alert: (\w+)\.$")


def defaults(panel: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = panel["fieldConfig"]["defaults"]
    return found


@pytest.mark.parametrize(("board", "panel"), PANELS, ids=NAMED)
class TestEveryPanel:
    def test_has_a_unit_and_a_description(self, board: str, panel: dict[str, Any]) -> None:
        assert defaults(panel)["unit"] in set(Unit)
        assert len(panel["description"]) > 20

    def test_has_a_legend_for_each_query(self, board: str, panel: dict[str, Any]) -> None:
        references = [target["refId"] for target in panel["targets"]]
        assert len(set(references)) == len(references) > 0
        assert all(target["legendFormat"] for target in panel["targets"])

    def test_can_be_narrowed_to_a_namespace(self, board: str, panel: dict[str, Any]) -> None:
        for target in panel["targets"]:
            asked = [name for name in names(target["expr"]) if "docmill" in name]
            assert target["expr"].count(OURS) >= len(asked)

    def test_draws_the_line_where_its_alert_fires(self, board: str, panel: dict[str, Any]) -> None:
        steps = defaults(panel)["thresholds"]["steps"]
        named = ALERT.search(panel["description"])
        if named is None:
            assert len(steps) == 1
            return
        alert = alerts()[named[1]]
        assert steps[1]["value"] == (alert.limit or 1)  # over 0 is from 1 on
        assert [step["color"] for step in steps].index("red") == (0 if alert.below else 1)


def test_every_alert_that_has_a_limit_has_its_panel() -> None:
    drawn = {match[1] for _, panel in PANELS if (match := ALERT.search(panel["description"]))}
    without = {
        "DocmillAvailabilityBurnFast",  # the errors' panel shows both windows
        "DocmillChildrenCrash",  # the others are about a rate by window, shown as a rate
        "DocmillDeadLettersGrowing",
        "DocmillDispatcherStalled",
        "DocmillLeasesLost",
        "DocmillOrphanSweepStopped",
        "DocmillSchedulerStale",
        "DocmillStageStalled",
    }
    assert set(alerts()) - drawn == without


def test_panels_are_called_by_different_names() -> None:
    assert len(set(NAMED)) == len(NAMED)


def test_there_is_one_dashboard_for_one_question() -> None:
    assert {file.stem for file in FOLDER.glob("*.json")} == {
        "ocr",
        "overview",
        "pipeline",
        "resources",
        "stores",
    }
