"""The stack for Docker, as far as it shows without an engine."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from deploy.scripts.settings import SERVICES as SETTINGS
from tests.stack.chart import ROOT, SERVICES

FILE = ROOT / "deploy" / "compose.yaml"
EVERYTHING: dict[str, Any] = yaml.safe_load(FILE.read_text())["services"]
PROGRAMS = Path(sys.executable).parent


def told(name: str) -> dict[str, Path]:
    """Give what is mounted into a service from beside the file, by where it is mounted."""
    mounts = [volume.split(":") for volume in EVERYTHING[name].get("volumes", ())]
    return {mount[1]: FILE.parent / mount[0] for mount in mounts if mount[0].startswith("./")}


def test_the_file_keeps_the_compose_specification() -> None:
    done = subprocess.run(
        [PROGRAMS / "check-jsonschema", "--builtin-schema", "vendor.compose-spec", FILE],
        capture_output=True,
        check=False,
        text=True,
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_starts_with_the_settings_it_knows(service: str) -> None:
    given = {name: str(value) for name, value in EVERYTHING[service]["environment"].items()}
    made = SETTINGS[service].from_env(given)
    required = {name for name, field in SETTINGS[service].model_fields.items()
                if field.is_required()}  # fmt: skip
    assert all(getattr(made, name) for name in required)


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_is_confined_as_in_the_chart(service: str) -> None:
    each = EVERYTHING[service]
    assert (each["read_only"], each["cap_drop"]) == (True, ["ALL"])
    assert "/tmp" in [*each["tmpfs"], *each.get("volumes", [])]
    assert "mem_limit" in each


def test_every_image_has_a_tag_that_stays() -> None:
    for name, each in EVERYTHING.items():
        _, colon, tag = each["image"].partition(":")
        assert colon, name
        assert not tag.startswith("latest"), name


def test_mounted_configuration_is_the_shared_one() -> None:
    mounted = [path for name in EVERYTHING for path in told(name).values()]
    assert mounted
    assert all(path.exists() for path in mounted)


def test_what_waits_for_another_waits_for_one_that_says_when() -> None:
    for name, each in EVERYTHING.items():
        for other, how in each.get("depends_on", {}).items():
            healthy = how["condition"] == "service_healthy"
            assert healthy == ("healthcheck" in EVERYTHING[other]), f"{name}: {other}"


# ── what watches ─────────────────────────────────────────────────────────────────────────────────
def test_prometheus_starts_with_a_configuration_that_promtool_accepts() -> None:
    file = told("prometheus")["/etc/prometheus"] / "prometheus.yaml"
    assert "--config.file=/etc/prometheus/prometheus.yaml" in EVERYTHING["prometheus"]["command"]
    done = subprocess.run(["promtool", "check", "config", file], capture_output=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_prometheus_scrapes_every_service_and_tells_alertmanager() -> None:
    file = told("prometheus")["/etc/prometheus"] / "prometheus.yaml"
    made = yaml.safe_load(file.read_text())
    asked = {
        name: each["job_name"]
        for each in made["scrape_configs"]
        for discovered in each["dns_sd_configs"]
        for name in discovered["names"]
    }
    assert asked == {name: f"docmill-{name}" for name in SERVICES} | {"rabbitmq": "rabbitmq"}
    ((host, _),) = [
        target.split(":")
        for manager in made["alerting"]["alertmanagers"]
        for static in manager["static_configs"]
        for target in static["targets"]
    ]
    assert host in EVERYTHING


def test_alertmanager_starts_with_the_shipped_routes() -> None:
    folder = told("alertmanager")["/etc/alertmanager"]
    assert (
        "--config.file=/etc/alertmanager/alertmanager.yaml" in EVERYTHING["alertmanager"]["command"]
    )
    assert (folder / "alertmanager.yaml").is_file()  # amtool checks it in test_alerts.py


def test_grafana_finds_prometheus_and_every_dashboard() -> None:
    mounted = told("grafana")
    provisioned = mounted["/etc/grafana/provisioning"]
    (source,) = yaml.safe_load((provisioned / "datasources" / "prometheus.yaml").read_text())[
        "datasources"
    ]
    assert source["type"] == "prometheus"
    assert urlsplit(source["url"]).hostname in EVERYTHING
    (provider,) = yaml.safe_load((provisioned / "dashboards" / "docmill.yaml").read_text())[
        "providers"
    ]
    boards = mounted[provider["options"]["path"]]
    assert {board.stem for board in boards.glob("*.json")} >= {"overview", "pipeline"}


def test_nothing_listens_beyond_this_machine() -> None:
    published = [port for each in EVERYTHING.values() for port in each.get("ports", ())]
    assert all(re.match(r"127\.0\.0\.1:", port) for port in published)
