"""A service installs from its own locked requirements and brings nobody else's."""

import subprocess
import sys
from pathlib import Path

import pytest

from deploy.local.run_tests import ROOT
from deploy.local.server import environment

FOREIGN = {
    "dispatcher": {"boto3", "cv2", "flask", "httpx", "tesserocr"},
    "ingest": {"cv2", "dramatiq", "pika", "tesserocr"},
    "notifier": {"boto3", "cv2", "flask", "psutil", "pyseccomp", "tesserocr"},
    "ocr": {"flask", "gunicorn", "httpx"},
    "scheduler": {"cv2", "dramatiq", "flask", "tesserocr"},
    "thumbnailer": {"flask", "tesserocr"},
    "validator": {"flask", "tesserocr"},
}
IMPORTS_EVERYTHING = """
import importlib, pkgutil, sys
importlib.import_module(f"{sys.argv[1]}.main")
package = importlib.import_module(sys.argv[1])
for module in pkgutil.walk_packages(package.__path__, f"{sys.argv[1]}."):
    importlib.import_module(module.name)
"""
NAMES_THE_FOUND = """
import importlib.util, sys
found = [name for name in sys.argv[1:] if importlib.util.find_spec(name)]
sys.exit(" ".join(found) or 0)
"""
UV = Path(sys.executable).parent / "uv"


@pytest.fixture(params=sorted(FOREIGN))
def alone(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, Path]:
    """A fresh environment with one service in it, installed as its README says."""
    name: str = request.param
    run(UV, "venv", "--quiet", "--python", sys.executable, tmp_path / "venv")
    python = tmp_path / "venv" / "bin" / "python"
    locked = ROOT / "requirements" / f"docmill-{name}.txt"
    install(python, "--require-hashes", "-r", locked)
    install(python, "--no-deps", ROOT / "shared" / "docmill", ROOT / "services" / name)
    return name, python


def install(python: Path, *arguments: str | Path) -> None:
    run(UV, "pip", "install", "--quiet", "--python", python, *arguments)


def run(*command: str | Path) -> None:
    done = subprocess.run(
        [str(part) for part in command],
        env=environment(UV_SYSTEM_CERTS="1", UV_PYTHON_DOWNLOADS="never"),
        capture_output=True,
        check=False,
        text=True,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_service_needs_nothing_of_the_others(alone: tuple[str, Path]) -> None:
    name, python = alone
    run(python, "-c", IMPORTS_EVERYTHING, f"docmill_{name}")
    run(python, "-c", NAMES_THE_FOUND, *FOREIGN[name])


@pytest.mark.parametrize(
    "file", sorted((ROOT / "requirements").glob("*.txt")), ids=lambda file: file.stem
)
def test_requirements_are_hashed_and_name_no_host(file: Path) -> None:
    lines = file.read_text().splitlines()
    assert [line for line in lines if "://" in line or line.startswith(("-", "."))] == []
    pins = [line for line in lines if not line.startswith(" ")]
    assert all("==" in pin and pin.endswith("\\") for pin in pins)
