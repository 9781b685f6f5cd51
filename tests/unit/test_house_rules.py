"""House rules that no linter knows: sizes, who reads the environment, who catches all."""

import ast
import re
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path
from statistics import median

import pytest

ROOT = Path(__file__).parents[2]
PRODUCT = sorted(
    path
    for package in (*ROOT.glob("shared/*/src/*"), *ROOT.glob("services/*/src/*"))
    for path in package.rglob("*.py")
)
TOOLS = sorted((*ROOT.glob("deploy/**/*.py"), *ROOT.glob("loadtests/**/*.py")))
TESTS = sorted(ROOT.glob("tests/**/*.py"))
EVERYTHING = [*PRODUCT, *TOOLS, *TESTS]

MODULE_LINES = 400
FUNCTION_LINES = 40
FUNCTION_MEDIAN = 8
# Hostile doubles try what is forbidden.
READERS = [path for path in PRODUCT if path.name == "main.py" or "testing" in path.parts]
# These may catch everything: the one to log it and leave, the other to answer 500.
CATCHERS = {"main.py", "middleware.py"}
CLIENTS = {"BlockingConnection", "ConnectionPool", "Client", "Session", "client", "connect"}


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def functions(path: Path) -> Iterator[tuple[str, int]]:
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield (
                f"{name(path)}:{node.lineno} {node.name}",
                (node.end_lineno or 0) - node.lineno + 1,
            )


@pytest.mark.parametrize("path", EVERYTHING, ids=name)
def test_a_module_fits_in_the_head(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= MODULE_LINES


@pytest.mark.parametrize("path", EVERYTHING, ids=name)
def test_a_function_fits_on_the_screen(path: Path) -> None:
    assert [where for where, lines in functions(path) if lines > FUNCTION_LINES] == []


def test_half_of_the_functions_are_tiny() -> None:
    assert median(lines for path in PRODUCT for _, lines in functions(path)) <= FUNCTION_MEDIAN


@pytest.mark.parametrize("path", [p for p in PRODUCT if p not in READERS], ids=name)
def test_only_main_reads_the_environment(path: Path) -> None:
    reads = [ast.unparse(node) for node in ast.walk(tree(path)) if reads_environment(node)]
    assert reads == []


def reads_environment(node: ast.AST) -> bool:
    if isinstance(node, ast.ImportFrom):
        return node.module == "os" and any(a.name in {"environ", "getenv"} for a in node.names)
    return isinstance(node, ast.Attribute) and ast.unparse(node) in {"os.environ", "os.getenv"}


@pytest.mark.parametrize("path", [p for p in PRODUCT if p.name not in CATCHERS], ids=name)
def test_nobody_else_catches_everything(path: Path) -> None:
    catchers = [
        node.lineno
        for node in ast.walk(tree(path))
        if isinstance(node, ast.ExceptHandler) and catches_all(node)
    ]
    assert catchers == []


def catches_all(handler: ast.ExceptHandler) -> bool:
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    names = {kind.id for kind in kinds if isinstance(kind, ast.Name)}
    reraises = isinstance(handler.body[-1], ast.Raise) and handler.body[-1].exc is None
    return not reraises and (handler.type is None or bool(names & {"Exception", "BaseException"}))


@pytest.mark.parametrize("path", PRODUCT, ids=name)
def test_importing_connects_to_nothing(path: Path) -> None:
    opened = [
        call.lineno
        for statement in tree(path).body
        if isinstance(statement, ast.Assign | ast.AnnAssign | ast.Expr) and statement.value
        for call in ast.walk(statement.value)
        if isinstance(call, ast.Call) and called(call) in CLIENTS
    ]
    assert opened == []


def called(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


@pytest.mark.parametrize("path", EVERYTHING, ids=name)
def test_a_todo_has_a_number(path: Path) -> None:
    marks = [line for line in path.read_text().splitlines() if re.search(r"#\s*TODO", line)]
    assert [line for line in marks if not re.search(r"TODO\(#\d+\)", line)] == []


def test_imports_go_round_in_no_circle() -> None:
    modules = {module(path): path for path in PRODUCT}
    graph = {known: set(imported(path, modules)) - {known} for known, path in modules.items()}
    TopologicalSorter(graph).prepare()  # raises CycleError, which names the circle


def module(path: Path) -> str:
    parts = path.with_suffix("").parts
    inside = parts[parts.index("src") + 1 :]
    return ".".join(inside[:-1] if inside[-1] == "__init__" else inside)


def imported(path: Path, modules: dict[str, Path]) -> Iterator[str]:
    for node in tree(path).body:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in modules)
        elif isinstance(node, ast.ImportFrom) and node.module:
            inner = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from (each if each in modules else node.module for each in inner)
