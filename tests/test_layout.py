import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ("schemas", "udfs", "penstock", "jobs")
#: Their places in the import package; rglob goes through no link, so that each module is here once.
LINKED = ("jobs", "schemas", "udfs")
MODULES = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))
JOBS = sorted(path for path in (ROOT / "jobs").glob("*.py") if path.name != "__init__.py")


def name(path):
    return str(path.relative_to(ROOT))


def test_all_four_folders_have_modules_and_each_is_here_once():
    assert {path.relative_to(ROOT).parts[0] for path in MODULES} == set(FOLDERS)
    assert len({path.resolve() for path in MODULES}) == len(MODULES)


@pytest.mark.parametrize("folder", LINKED)
def test_the_folder_is_part_of_the_import_package(folder):
    assert (ROOT / "penstock" / folder).resolve() == ROOT / folder


def test_a_module_has_at_most_300_lines():
    lines = {name(path): len(path.read_text(encoding="utf-8").splitlines()) for path in MODULES}
    assert {path: count for path, count in lines.items() if count > 300} == {}


def test_a_module_says_what_it_is():
    texts = {name(path): path.read_text(encoding="utf-8") for path in MODULES}
    assert [path for path, text in texts.items() if not ast.get_docstring(ast.parse(text))] == []


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
