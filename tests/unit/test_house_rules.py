"""House rules that no linter knows: sizes, who reads the environment, who catches all."""

import ast
import re
from collections.abc import Iterable, Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path
from statistics import median

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


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def nodes(paths: Iterable[Path]) -> Iterator[tuple[str, ast.AST]]:
    """Every node below so many modules, each with where it begins."""
    for path in paths:
        for node in ast.walk(tree(path)):
            yield f"{name(path)}:{getattr(node, 'lineno', 0)}", node


def functions(paths: Iterable[Path]) -> Iterator[tuple[str, int]]:
    for where, node in nodes(paths):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield f"{where} {node.name}", (node.end_lineno or 0) - node.lineno + 1


def test_the_rules_see_every_package() -> None:
    assert len(PRODUCT) > 100
    assert {"docmill", "docmill_client", "docmill_ingest", "docmill_ocr"} <= {
        path.relative_to(ROOT).parts[3] for path in PRODUCT
    }


def test_a_module_fits_in_the_head() -> None:
    lengths = {name(path): len(path.read_text().splitlines()) for path in EVERYTHING}
    assert {path: lines for path, lines in lengths.items() if lines > MODULE_LINES} == {}


def test_a_function_fits_on_the_screen() -> None:
    assert [where for where, lines in functions(EVERYTHING) if lines > FUNCTION_LINES] == []


def test_half_of_the_functions_are_tiny() -> None:
    assert median(lines for _, lines in functions(PRODUCT)) <= FUNCTION_MEDIAN


def test_only_main_reads_the_environment() -> None:
    others = [path for path in PRODUCT if path not in READERS]
    assert [where for where, node in nodes(others) if reads_environment(node)] == []


def reads_environment(node: ast.AST) -> bool:
    if isinstance(node, ast.ImportFrom):
        return node.module == "os" and any(a.name in {"environ", "getenv"} for a in node.names)
    return isinstance(node, ast.Attribute) and ast.unparse(node) in {"os.environ", "os.getenv"}


def test_nobody_else_catches_everything() -> None:
    others = [path for path in PRODUCT if path.name not in CATCHERS]
    assert [where for where, node in nodes(others) if catches_all(node)] == []


def catches_all(node: ast.AST) -> bool:
    if not isinstance(node, ast.ExceptHandler):
        return False
    kinds = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
    names = {kind.id for kind in kinds if isinstance(kind, ast.Name)}
    reraises = isinstance(node.body[-1], ast.Raise) and node.body[-1].exc is None
    return not reraises and (node.type is None or bool(names & {"Exception", "BaseException"}))


def test_importing_connects_to_nothing() -> None:
    opened = [
        f"{name(path)}:{call.lineno}"
        for path in PRODUCT
        for statement in tree(path).body
        if isinstance(statement, ast.Assign | ast.AnnAssign | ast.Expr) and statement.value
        for call in ast.walk(statement.value)
        if isinstance(call, ast.Call) and called(call) in CLIENTS
    ]
    assert opened == []


def called(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def test_a_todo_has_a_number() -> None:
    marks = [
        f"{name(path)}: {line}"
        for path in EVERYTHING
        for line in path.read_text().splitlines()
        if re.search(r"#\s*TODO", line)
    ]
    assert [mark for mark in marks if not re.search(r"TODO\(#\d+\)", mark)] == []


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
