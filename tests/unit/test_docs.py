"""The documentation keeps its promises: links lead somewhere, named targets exist."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("services/*/*.md")]
LINK = re.compile(r"\]\((?!https?:|mailto:|#)([^)#]+)")
TARGET = re.compile(r"`make ([a-z0-9-]+)")


def test_every_relative_link_leads_to_a_file() -> None:
    broken = [
        f"{page.relative_to(ROOT)}: {link}"
        for page in PAGES
        for link in LINK.findall(page.read_text())
        if not (page.parent / link).exists()
    ]
    assert broken == []


def test_every_service_has_a_readme() -> None:
    services = {path.parent for path in ROOT.glob("services/*/pyproject.toml")}
    assert {folder.name for folder in services if not (folder / "README.md").is_file()} == set()
    assert len(services) == 7


def test_every_named_make_target_exists() -> None:
    makefile = (ROOT / "Makefile").read_text()
    known = {
        name
        for line in re.findall(r"^([a-z0-9 -]+):", makefile, re.MULTILINE)
        for name in line.split()
    }
    named = {target for page in PAGES for target in TARGET.findall(page.read_text())}
    assert named - known == set()
