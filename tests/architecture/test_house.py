"""Rules of the house that a linter of imports or style cannot see."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("chronos", "agents", "tables", "web")
SOURCES = sorted(p for room in ROOMS for p in (ROOT / room).rglob("*.py"))
LINES_MAX = 400
SQL = re.compile(
    r"\b(SELECT\s.+\sFROM|INSERT\s+INTO|UPDATE\s+\w+\s+SET|DELETE\s+FROM|TRUNCATE\s)\b",
    re.DOTALL,
)
FUNCTION_LINES_MAX = 50
MONEY_ROOMS = ("domain", "wire", "store", "tables")
INEXACT = {"float", "Decimal"}
ENVIRONMENT_READERS = {
    "chronos/settings.py",
    "chronos/__main__.py",
    "chronos/bootstrap.py",
}


def name_of(path):
    return str(path.relative_to(ROOT))


def nodes(kinds, paths=SOURCES):
    """Every node of these kinds, as (place, node)."""
    for path in paths:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, kinds):
                yield f"{name_of(path)}:{getattr(node, 'lineno', 0)}", node


def test_files_stay_short():
    lengths = {name_of(path): len(path.read_text().splitlines()) for path in SOURCES}
    assert {name: n for name, n in lengths.items() if n > LINES_MAX} == {}


def test_functions_stay_short():
    def length(node):
        doc = ast.get_docstring(node, clean=False)
        return node.end_lineno - node.lineno + 1 - (len(doc.splitlines()) if doc else 0)

    functions = nodes((ast.FunctionDef, ast.AsyncFunctionDef))
    assert [place for place, node in functions if length(node) > FUNCTION_LINES_MAX] == []


def test_sql_lives_in_the_store():
    """And with the readers of the checkers, which must not read through what they check."""
    homes = {ROOT / "chronos/store", ROOT / "chronos/chaos/readers"}
    paths = [path for path in SOURCES if homes.isdisjoint(path.parents)]
    texts = ((place, node.value) for place, node in nodes(ast.Constant, paths))
    assert [p for p, text in texts if isinstance(text, str) and SQL.search(text)] == []


def test_money_is_never_a_float_or_a_decimal():
    paths = [path for path in SOURCES if path.parent.name in MONEY_ROOMS]
    calls = nodes(ast.Call, paths)
    found = [place for place, node in calls if getattr(node.func, "id", "") in INEXACT]
    imports = nodes(ast.ImportFrom, paths)
    assert found + [place for place, node in imports if node.module == "decimal"] == []


def test_a_package_file_holds_one_sentence_and_no_code():
    found = {}
    for path in SOURCES:
        if path.name == "__init__.py" and path.parent != ROOT / "chronos":
            kinds = [type(node) for node in ast.parse(path.read_text()).body]
            found[name_of(path)] = kinds
    assert {name: kinds for name, kinds in found.items() if kinds != [ast.Expr]} == {}


def test_only_settings_and_entrances_read_the_environment():
    inside = [path for path in SOURCES if ROOT / "chronos/cli" not in path.parents]
    found = {name_of(path) for path in inside if "os.environ" in path.read_text()}
    assert found <= ENVIRONMENT_READERS
