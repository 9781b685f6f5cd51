"""Make a release: one version everywhere, its changelog, its wheels, a commit and a tag.

    python -m deploy.scripts.release 1.2.0

Everything is local: nothing is pushed. What is not committed, a version that is not newer, or a
changelog without news stops it before anything is changed.
"""

import re
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

VERSION: Final = re.compile(r"\d+\.\d+\.\d+")
_OURS: Final = re.compile(r'^version = "([^"]+)"$', re.MULTILINE)
_UNRELEASED: Final = re.compile(r"^## \[Unreleased\]\n(.*?)(?=^## \[|\Z)", re.MULTILINE | re.DOTALL)


class NotReleased(Exception):
    """The release was refused; nothing was changed."""


def members(root: Path) -> list[Path]:
    """Return the pyproject files of every package that is released."""
    return sorted([*root.glob("shared/*/pyproject.toml"), *root.glob("services/*/pyproject.toml")])


def release(root: Path, version: str) -> list[Path]:
    """Release, and return the wheels; raise NotReleased."""
    _check(root, version)
    for file in members(root):
        _change(file, lambda text: _OURS.sub(f'version = "{version}"', text, count=1))
    today = datetime.now(UTC).date().isoformat()
    _change(root / "CHANGELOG.md", lambda text: closed(text, version, today))
    wheels = _built(root)
    _git(root, "commit", "--all", "--quiet", "--message", f"Release {version}")
    _git(root, "tag", "--annotate", f"v{version}", "--message", f"docmill {version}")
    return wheels


def closed(changelog: str, version: str, today: str) -> str:
    """Put what is unreleased under the version; raise NotReleased when there is nothing."""
    found = _UNRELEASED.search(changelog)
    if not found or not found[1].strip():
        raise NotReleased("CHANGELOG.md has nothing under [Unreleased]")
    section = f"## [Unreleased]\n\n## [{version}] - {today}\n{found[1]}"
    return changelog[: found.start()] + section + changelog[found.end() :]


def _check(root: Path, version: str) -> None:
    if not VERSION.fullmatch(version):
        raise NotReleased(f"{version!r} is no version like 1.2.0")
    if _git(root, "status", "--porcelain"):
        raise NotReleased("there are changes that are not committed")
    present = {found[1] for file in members(root) if (found := _OURS.search(file.read_text()))}
    if any(_numbers(version) <= _numbers(each) for each in present):
        raise NotReleased(f"{version} is not newer than {', '.join(sorted(present))}")
    closed((root / "CHANGELOG.md").read_text(), version, "")


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def _change(file: Path, change: Callable[[str], str]) -> None:
    file.write_text(change(file.read_text()))


def _built(root: Path) -> list[Path]:
    folder = root / "dist"
    packages = [str(file.parent) for file in members(root)]
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*command, "--wheel-dir", str(folder), *packages], check=True, cwd=root)
    return sorted(folder.glob("*.whl"))


def _git(root: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=root, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def main() -> int:
    try:
        wheels = release(Path(__file__).resolve().parents[2], *sys.argv[1:2] or [""])
    except NotReleased as error:
        print(f"make release VERSION=…: {error}", file=sys.stderr)
        return 1
    for wheel in wheels:
        print(wheel)
    return 0


if __name__ == "__main__":
    sys.exit(main())
