"""Rules of the house that a linter of imports or style cannot see."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("chronos", "agents", "tables", "web")
SOURCES = sorted(p for room in ROOMS for p in (ROOT / room).rglob("*.py"))
LINES_MAX = 400
SQL = re.compile(
    r"\b(SELECT\s.+\sFROM|INSERT\s+INTO|UPDATE\s+\w+\s+SET|DELETE\s+FROM|TRUNCATE\s)\b",
    re.DOTALL,
)
MONEY_ROOMS = ("domain", "wire", "store")


def name_of(path):
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_a_file_stays_short(path):
    assert len(path.read_text().splitlines()) <= LINES_MAX


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_a_function_stays_short(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = node.end_lineno - node.lineno + 1
            doc = ast.get_docstring(node, clean=False)
            length -= len(doc.splitlines()) if doc else 0
            assert length <= 50, f"{node.name} has {length} lines"


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_sql_lives_in_the_store(path):
    if (ROOT / "chronos/store") in path.parents:
        return
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            assert not SQL.search(node.value), f"line {node.lineno}"


@pytest.mark.parametrize(
    "path",
    [p for p in SOURCES if p.parent.name in MONEY_ROOMS or "tables" in p.parts],
    ids=name_of,
)
def test_money_is_never_a_float_or_a_decimal(path):
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            assert node.module != "decimal"
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in {"float", "Decimal"}, f"line {node.lineno}"


@pytest.mark.parametrize("path", sorted(ROOT.glob("chronos/*/__init__.py")), ids=name_of)
def test_a_package_file_holds_a_sentence_and_no_code(path):
    body = ast.parse(path.read_text()).body
    assert len(body) == 1
    assert isinstance(body[0], ast.Expr)


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_only_the_settings_read_the_environment(path):
    if path.name in {"settings.py", "bootstrap.py", "__main__.py"}:
        return
    text = path.read_text()
    assert "os.environ" not in text or "cli" in path.parts or "embedded" in path.parts
