"""The alerting rules, as far as panels and tests ask about them."""

import math
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml

RULES: Final = Path(__file__).resolve().parents[2] / "prometheus" / "rules"
_LIMIT: Final = re.compile(r"(>|==) ([0-9.]+(?: \* [0-9.]+)*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One alert of the rule files."""

    name: str
    expr: str
    severity: str
    annotations: dict[str, str]

    @property
    def limit(self) -> float:
        """The number that its expression compares with first."""
        return math.prod(float(factor) for factor in self._compared[2].split(" * "))

    @property
    def below(self) -> bool:
        """Whether it fires when there is nothing, not when there is too much."""
        return self._compared[1] == "==" and self.limit == 0

    @property
    def _compared(self) -> re.Match[str]:
        found = _LIMIT.search(self.expr)
        assert found, self.name  # noqa: S101 - only alerts with a limit are asked
        return found


@cache
def rules() -> tuple[dict[str, Any], ...]:
    """Return every rule, recorded or alerting, as its file has it."""
    files = [yaml.safe_load(path.read_text()) for path in sorted(RULES.glob("*.yaml"))]
    return tuple(rule for file in files for group in file["groups"] for rule in group["rules"])


@cache
def alerts() -> dict[str, Alert]:
    """Return the alerts by their names."""
    return {
        rule["alert"]: Alert(
            name=rule["alert"],
            expr=rule["expr"],
            severity=rule["labels"]["severity"],
            annotations=rule["annotations"],
        )
        for rule in rules()
        if "alert" in rule
    }
