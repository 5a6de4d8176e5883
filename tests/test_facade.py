"""`penstock` itself: what it offers, that it costs nothing, and that docs and notebooks need no more."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import penstock

ROOT = Path(__file__).parents[1]
NAMES = [name for name in penstock.__all__ if name != "__version__"]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.py"))
DOCS = [*sorted((ROOT / "docs").glob("*.md")), ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
PYTHON_BLOCK = re.compile(r"^([ ]*)```python\n(.*?)^[ ]*```$", re.MULTILINE | re.DOTALL)


def python_of(path: Path) -> list[str]:
    """A notebook's code, or the blocks of Python in a page."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        return [text]
    return [re.sub(rf"^{indent}", "", code, flags=re.MULTILINE) for indent, code in PYTHON_BLOCK.findall(text)]


def imports_of_ours(source: str) -> list[tuple[str, list[str]]]:
    """(module, names) of each import of our own packages."""
    found: list[tuple[str, list[str]]] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [(alias.name, []) for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.append((node.module, [alias.name for alias in node.names]))
    ours = ("penstock", "jobs", "schemas", "udfs")
    return [(module, names) for module, names in found if module.split(".")[0] in ours]


def in_a_new_process(script: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_there_and_listed(name: str) -> None:
    assert name in dir(penstock)
    assert getattr(penstock, name).__name__ == name


def test_type_checkers_see_the_same_names_from_the_same_places() -> None:
    tree = ast.parse((ROOT / "penstock" / "__init__.py").read_text(encoding="utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If))
    seen = {alias.name: node.module for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert seen == {name: f"penstock.{home}" for name, home in penstock._HOMES.items()}
    assert sorted(NAMES) == sorted(seen)


def test_what_is_not_there_is_said_as_by_any_module() -> None:
    name = "no_such_name"
    with pytest.raises(AttributeError, match=f"module 'penstock' has no attribute '{name}'"):
        getattr(penstock, name)
    assert in_a_new_process("from penstock import load_confg").stderr.count("ImportError: cannot import name") == 1


def test_importing_it_brings_nothing() -> None:
    heavy = "{'pyspark', 'mlflow', 'pandas', 'pydantic', 'click', 'yaml', 'duckdb'}"
    done = in_a_new_process(f"import sys, penstock; dir(penstock); print(sorted({heavy} & sys.modules.keys()))")
    assert done.stdout == "[]\n"


def test_importing_it_takes_no_time() -> None:
    script = "import time; start = time.process_time(); import penstock; print(time.process_time() - start)"
    assert min(float(in_a_new_process(script).stdout) for _ in range(3)) < 0.05


@pytest.mark.parametrize("path", [*NOTEBOOKS, *DOCS], ids=lambda path: path.name)
def test_docs_and_notebooks_import_from_penstock_itself(path: Path) -> None:
    for source in python_of(path):
        for module, names in imports_of_ours(source):
            assert module == "penstock", f"{path.name} imports {names} from {module}"
            assert set(names) <= set(penstock.__all__)


def test_docs_and_notebooks_have_such_imports() -> None:
    assert sum(bool(imports_of_ours(source)) for path in DOCS for source in python_of(path)) >= 4
    assert all(imports_of_ours(source) for path in NOTEBOOKS for source in python_of(path))
