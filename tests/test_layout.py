import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
#: Each package may import itself and those before it.
ORDER = ("schemas", "udfs", "penstock", "jobs")
MODULES = sorted(path for package in ORDER for path in (ROOT / package).rglob("*.py"))
JOBS = sorted(path for path in (ROOT / "jobs").glob("*.py") if path.name != "__init__.py")


def name(path):
    return str(path.relative_to(ROOT))


def imported_packages(source):
    """The top packages that a module imports, at any depth of its code; '.' for a relative import."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add("." if node.level else node.module.split(".")[0])
    return found


def test_imports_are_seen_wherever_they_stand():
    source = "import a.b as c, d\nfrom e.f import g\ndef h():\n    from i import j\n    from . import k\n"
    assert imported_packages(source) == {"a", "d", "e", "i", "."}


def test_all_four_packages_have_modules():
    assert {path.relative_to(ROOT).parts[0] for path in MODULES} == set(ORDER)


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_imports_point_one_way(path):
    package = path.relative_to(ROOT).parts[0]
    later = set(ORDER[ORDER.index(package) + 1 :])
    # The fleet's modules go into the model under another name, and import each other relatively.
    refused = later if package == "udfs" else later | {"."}
    assert imported_packages(path.read_text(encoding="utf-8")) & refused == set()


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_a_module_has_at_most_300_lines(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 300


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_a_module_says_what_it_is(path):
    assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize("path", JOBS, ids=name)
def test_a_job_is_thin_and_has_a_main(path):
    source = path.read_text(encoding="utf-8")
    functions = {node.name: node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)}
    assert len(source.splitlines()) <= 60
    assert "main" in functions
    assert [argument.arg for argument in functions["main"].args.args] == ["argv"]


def test_there_are_jobs_and_none_is_called_schemas():
    assert JOBS
    assert not (ROOT / "jobs" / "schemas.py").exists()
    assert not (ROOT / "jobs" / "schemas").exists()
