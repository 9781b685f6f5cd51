"""The stack for Docker, as far as it shows without an engine."""

import re
from typing import Any

import pytest
import yaml

from deploy.scripts.settings import SERVICES as SETTINGS
from tests.stack.chart import ROOT, SERVICES

FILE = ROOT / "deploy" / "compose.yaml"
EVERYTHING: dict[str, Any] = yaml.safe_load(FILE.read_text())["services"]


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
    mounted = [
        volume.partition(":")[0]
        for each in EVERYTHING.values()
        for volume in each.get("volumes", ())
        if volume.startswith("./")
    ]
    assert mounted
    assert all((FILE.parent / path).is_file() for path in mounted)


def test_nothing_listens_beyond_this_machine() -> None:
    published = [port for each in EVERYTHING.values() for port in each.get("ports", ())]
    assert all(re.match(r"127\.0\.0\.1:", port) for port in published)
