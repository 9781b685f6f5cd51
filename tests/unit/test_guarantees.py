"""What the page of guarantees names is there, and what is there it names."""

import re
from pathlib import Path

from tests.stack.faults import FAULTS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "reference" / "guarantees.md").read_text()
SCENARIO = re.compile(r'@scenario\(\s*"([^"]+)"')


def scenarios() -> set[str]:
    files = (ROOT / "tests" / "chaos").glob("test_*.py")
    return {name for file in files for name in SCENARIO.findall(file.read_text())}


def test_every_fault_and_scenario_is_on_the_page() -> None:
    known = {name.partition(",")[0] for name in scenarios()} | set(FAULTS)
    assert {name for name in known if f"`{name}`" not in PAGE} == set()


def test_the_table_of_faults_names_none_that_is_not_there() -> None:
    table = PAGE.partition("## Which fault is tried by what")[2].partition("\n## ")[0]
    named = set(re.findall(r"`([a-z0-9_]+)`", table))
    assert named - scenarios() - set(FAULTS) - {"crash_recovery"} == set()
    assert len(named) > 50
