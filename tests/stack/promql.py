"""What an expression of PromQL asks for."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import promql_parser

from deploy.grafana.src.rule import rules
from deploy.grafana.src.term import FOLDER


@dataclass(frozen=True, slots=True)
class Asked:
    """An expression and where it stands."""

    where: str
    expr: str


def names(expr: str) -> set[str]:
    """Return the metrics that it selects; raise ValueError when it is no PromQL."""
    return set(_selected(promql_parser.parse(expr)))


def _selected(node: Any) -> Iterator[str]:
    match node:
        case promql_parser.VectorSelector():
            assert node.name, "a selector without a name cannot be checked"
            yield node.name
        case promql_parser.NumberLiteral() | promql_parser.StringLiteral():
            return
        case _:
            for part in _parts(node):
                yield from _selected(part)


def _parts(node: Any) -> list[Any]:
    match node:
        case promql_parser.MatrixSelector():
            return [node.vector_selector]
        case promql_parser.BinaryExpr():
            return [node.lhs, node.rhs]
        case promql_parser.Call():
            return list(node.args)
        case _:
            return [node.expr]


def of_rules() -> list[Asked]:
    """Return the expressions of every rule."""
    return [Asked(rule.get("alert") or rule["record"], rule["expr"]) for rule in rules()]


def panels() -> Iterator[tuple[str, dict[str, Any]]]:
    """Return every panel of the committed dashboards, with its dashboard's name."""
    for file in sorted(FOLDER.glob("*.json")):
        for panel in json.loads(file.read_text())["panels"]:
            if panel["type"] != "row":
                yield file.stem, panel


def of_containers() -> list[Asked]:
    """Return the expressions of the panels that only a kubelet answers."""
    outside = {
        f"{board}: {panel['title']}"
        for board, panel in panels()
        if "Empty outside Kubernetes." in panel["description"]
    }
    return [each for each in of_panels() if each.where in outside]


def of_panels() -> list[Asked]:
    """Return the expressions of every panel."""
    return [
        Asked(f"{board}: {panel['title']}", target["expr"])
        for board, panel in panels()
        for target in panel["targets"]
    ]
