"""The rule files, their own tests, the runbooks, and who hears of what."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml
from prometheus_client import Histogram

from deploy.grafana.src.rule import RULES, Alert, alerts, rules
from deploy.local.generated import ROOT
from deploy.scripts.metrics import scraped_name
from docmill.ops.metrics import catalogue
from tests.stack.promql import Asked, names, of_panels, of_rules, panels

PROMETHEUS = RULES.parent
CASES = PROMETHEUS / "tests" / "alerts.yaml"
ROUTES = ROOT / "deploy" / "alertmanager" / "alertmanager.yaml"
HEADINGS = ["Meaning", "Impact", "Diagnosis", "Mitigation"]
RECORDED = re.compile(r"[a-z_]+:docmill_[a-z_]+:[a-z0-9_]+")


def run(*command: object, cwd: Path = ROOT) -> str:
    words = [str(word) for word in command]
    done = subprocess.run(words, cwd=cwd, capture_output=True, check=False, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


# ── rules ────────────────────────────────────────────────────────────────────────────────────────
def test_promtool_finds_no_fault_with_the_rules() -> None:
    run("promtool", "check", "rules", *sorted(RULES.glob("*.yaml")))


def test_every_alert_fires_where_it_should_and_is_silent_at_the_near_miss() -> None:
    assert "SUCCESS" in run("promtool", "test", "rules", CASES.name, cwd=CASES.parent)


def cases(alert: str) -> list[bool]:
    """Tell of each case of an alert whether it must fire."""
    found = yaml.safe_load(CASES.read_text())["tests"]
    return [
        bool(expected["exp_samples"])
        for case in found
        for expected in case["promql_expr_test"]
        if f'alertname="{alert}"' in expected["expr"]
    ]


@pytest.mark.parametrize("alert", alerts().values(), ids=lambda alert: alert.name)
class TestEveryAlert:
    def test_has_a_case_in_which_it_fires_and_one_in_which_it_does_not(self, alert: Alert) -> None:
        assert cases(alert.name) == [True, False]

    def test_has_a_runbook_with_the_four_headings_and_its_url(self, alert: Alert) -> None:
        assert alert.annotations["runbook_url"] == f"docs/runbooks/{alert.name}.md"
        text = (ROOT / alert.annotations["runbook_url"]).read_text()
        assert text.startswith(f"# {alert.name}\n")
        assert re.findall(r"^## (.+)$", text, re.MULTILINE) == HEADINGS

    def test_wakes_somebody_or_waits_for_the_morning(self, alert: Alert) -> None:
        assert alert.severity in {"page", "ticket"}

    def test_says_what_is_the_matter_and_links_a_dashboard_that_exists(self, alert: Alert) -> None:
        assert set(alert.annotations) == {"summary", "description", "runbook_url", "dashboard_url"}
        board = alert.annotations["dashboard_url"].removeprefix("/d/docmill-")
        assert (ROOT / "deploy" / "grafana" / "dashboards" / f"{board}.json").exists()


def test_there_is_no_runbook_without_its_alert() -> None:
    pages = {page.stem for page in (ROOT / "docs" / "runbooks").glob("Docmill*.md")}
    assert pages == set(alerts())


def test_recorded_names_are_level_metric_operation() -> None:
    recorded = [rule["record"] for rule in rules() if "record" in rule]
    assert [name for name in recorded if not RECORDED.fullmatch(name)] == []


# ── names ────────────────────────────────────────────────────────────────────────────────────────
def known() -> set[str]:
    """Return every name that may be asked for: ours, recorded, and the listed ones of others."""
    ours = {scraped_name(metric) for metric in catalogue()}
    parts = {
        scraped_name(metric) + suffix
        for metric in catalogue()
        if isinstance(metric, Histogram)
        for suffix in ("_bucket", "_count", "_sum")
    }
    recorded = {rule["record"] for rule in rules() if "record" in rule}
    return ours | parts | recorded | foreign()


def foreign() -> set[str]:
    groups = yaml.safe_load((PROMETHEUS / "foreign.yaml").read_text())
    return {name for group in groups.values() for name in group}


ASKING = [ROOT / "docs" / "OPERATIONS.md", *(ROOT / "docs").glob("howto/*.md")]
ASKING += sorted((ROOT / "docs" / "runbooks").glob("*.md"))
ASKED = [*of_rules(), *of_panels()]


@pytest.mark.parametrize("asked", ASKED, ids=lambda asked: asked.where)
def test_every_expression_parses_and_asks_for_metrics_that_exist(asked: Asked) -> None:
    assert names(asked.expr) - known() == set()


@pytest.mark.parametrize("page", ASKING, ids=lambda page: page.name)
def test_what_a_page_says_to_ask_parses_and_asks_for_metrics_that_exist(page: Path) -> None:
    for expr in re.findall(r"^```promql\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL):
        assert names(expr) - known() == set()
    named = set(re.findall(r"`((?:[a-z_]+:)?docmill_[a-z0-9_:]+)[`{]", page.read_text()))
    assert named - known() == set()


@pytest.mark.parametrize("alert", alerts())
def test_a_runbook_names_a_panel_that_exists(alert: str) -> None:
    text = (ROOT / "docs" / "runbooks" / f"{alert}.md").read_text()
    named = re.search(r"panel: \*(.+)\* of the dashboard\n\[`docmill-(\w+)`\]", text)
    assert named
    assert (named[2], named[1]) in {(board, panel["title"]) for board, panel in panels()}


def test_no_foreign_metric_is_listed_that_nobody_asks_for() -> None:
    used = {name for asked in ASKED for name in names(asked.expr)}
    assert foreign() - used - {"ALERTS"} == set()


def test_nothing_hides_missing_data() -> None:
    assert [asked.where for asked in ASKED if "vector(0)" in asked.expr] == []


# ── routes ───────────────────────────────────────────────────────────────────────────────────────
def test_amtool_finds_no_fault_with_the_routes() -> None:
    run("amtool", "check-config", ROUTES)


@pytest.mark.parametrize(
    ("labels", "receiver"),
    [
        (["severity=page"], "pages"),
        (["severity=ticket"], "tickets"),
        (["severity=unheard-of"], "tickets"),
        ([], "tickets"),
    ],
)
def test_severity_decides_who_hears_of_it(labels: list[str], receiver: str) -> None:
    command = ["amtool", "config", "routes", "test", f"--config.file={ROUTES}"]
    assert (
        run(*command, f"--verify.receivers={receiver}", "alertname=X", *labels).strip() == receiver
    )


def test_pages_ring_in_pagerduty_and_slack_and_tickets_go_to_slack_and_mail() -> None:
    receivers = {
        each["name"]: set(each) for each in yaml.safe_load(ROUTES.read_text())["receivers"]
    }
    assert receivers["pages"] == {"name", "pagerduty_configs", "slack_configs"}
    assert receivers["tickets"] == {"name", "slack_configs", "email_configs"}


def test_no_secret_stands_in_the_configuration() -> None:
    secrets = r"^\s*(?:slack_api_url|routing_key|smtp_auth_password):"
    assert re.findall(secrets, ROUTES.read_text(), re.MULTILINE) == []
