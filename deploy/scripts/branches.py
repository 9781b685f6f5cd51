"""Judges the branch coverage of each group of modules, from `coverage json`.

A pooled figure would let well-covered rules hide use cases that no test decides.
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

LEAST_PERCENT: Final = 90.0
GROUPS: Final = {"domain": "/docmill/domain/", "work": "/docmill/work/", "services": "/docmill_"}


def shares(files: Mapping[str, Any]) -> dict[str, float]:
    """Return how much of each group's branches was taken, in percent; 0 where there are none."""
    return {group: _share(files, part) for group, part in GROUPS.items()}


def _share(files: Mapping[str, Any], part: str) -> float:
    found = [each["summary"] for path, each in files.items() if part in path]
    taken, there = (
        sum(int(each[count]) for each in found) for count in ("covered_branches", "num_branches")
    )
    return 100 * taken / (there or 1)


def main() -> int:
    """Print every group; return 1 when one has too little."""
    found = shares(json.loads(Path(sys.argv[1]).read_text())["files"])
    for group, share in found.items():
        print(f"{group}: {share:.1f} % of the branches (at least {LEAST_PERCENT:g} %)")
    return int(min(found.values()) < LEAST_PERCENT)


if __name__ == "__main__":
    sys.exit(main())
