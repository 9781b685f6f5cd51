"""A release of a copy of this checkout."""

import re
import shutil
import subprocess
from pathlib import Path
from zipfile import ZipFile

import pytest

from deploy.local.run_tests import ROOT
from deploy.scripts.release import NotReleased, closed, members, release


def git(root: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=Test", "-c", "user.email=test@example.org"]
    done = subprocess.run(
        ["git", *identity, *arguments], cwd=root, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The packages and the changelog, committed."""
    root = tmp_path / "copy"
    skipped = shutil.ignore_patterns("__pycache__", "*.egg-info")
    for folder in ("shared", "services"):
        shutil.copytree(ROOT / folder, root / folder, ignore=skipped)
    for file in ("CHANGELOG.md", ".gitignore", "LICENSE"):
        shutil.copy(ROOT / file, root)
    git(root, "init", "--quiet")
    for name, value in {"user.name": "Test", "user.email": "test@example.org"}.items():
        git(root, "config", name, value)
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", "A copy")
    return root


def test_a_release_has_one_version_its_wheels_its_changelog_and_a_tag(copy: Path) -> None:
    wheels = release(copy, "7.8.9")
    assert len(wheels) == len(members(copy))
    for wheel in wheels:
        assert "-7.8.9-" in wheel.name
        assert any(name.endswith(".py") for name in ZipFile(wheel).namelist())
    assert re.search(
        r"## \[Unreleased\]\n\n## \[7\.8\.9\] - \d{4}-", (copy / "CHANGELOG.md").read_text()
    )
    assert git(copy, "describe") == "v7.8.9"
    assert git(copy, "status", "--porcelain", "--untracked-files=no") == ""


@pytest.mark.parametrize(
    ("version", "why"), [("0.0.1", "not newer"), ("latest", "no version"), ("", "no version")]
)
def test_a_version_that_is_none_or_not_newer_changes_nothing(
    copy: Path, version: str, why: str
) -> None:
    with pytest.raises(NotReleased, match=why):
        release(copy, version)
    assert git(copy, "status", "--porcelain") == ""


def test_what_is_not_committed_is_not_released(copy: Path) -> None:
    (copy / "CHANGELOG.md").write_text("changed")
    with pytest.raises(NotReleased, match="not committed"):
        release(copy, "7.8.9")


def test_a_release_without_news_is_refused() -> None:
    with pytest.raises(NotReleased, match="nothing under"):
        closed("# Changelog\n\n## [Unreleased]\n\n## [1.0.0] - 2026-01-01\n- old\n", "1.1.0", "")
