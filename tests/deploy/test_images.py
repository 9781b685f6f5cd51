"""What the images are made from, as far as it shows without building them."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.stack.chart import ROOT, SERVICES

PROGRAMS = Path(sys.executable).parent
DOCKERFILE = ROOT / "deploy" / "docker" / "Dockerfile"
SCRIPTS = sorted({*ROOT.glob("deploy/**/*.sh"), *ROOT.glob("tests/k8s/**/*.sh")})


def run(*command: object) -> None:
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, check=False, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_dockerfile_keeps_hadolints_rules() -> None:
    run(PROGRAMS / "hadolint", DOCKERFILE)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_a_script_keeps_shellchecks_rules(script: Path) -> None:
    run(PROGRAMS / "shellcheck", script)


@pytest.mark.parametrize("service", [*SERVICES, "client"])
def test_an_image_installs_that_services_locked_requirements(service: str) -> None:
    assert (ROOT / "requirements" / f"docmill-{service}.txt").exists()
    assert service in (ROOT / "deploy" / "docker" / "build.sh").read_text()
