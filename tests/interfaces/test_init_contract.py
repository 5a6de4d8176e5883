import ast
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.interfaces.scaffold.contract import contract_text, fields_of, python_text
from penstock.interfaces.scaffold.naming import column_names
from penstock.schemas.contract import Contract
from penstock.sources.inference.types import Kind

ROOT = Path(__file__).parents[2]
KINDS = {
    "Id": Kind(type="integer"),
    "Größe (cm)": Kind(type="double", nullable=True, nan="null"),
    'a "quoted" name': Kind(type="string"),
    "it's": Kind(type="date", format="dd.MM.yyyy", note="could be another date"),
    "back\\slash and \"both\" ' quotes '": Kind(type="string", nullable=True),
    "a name as long as such names are, which makes a line longer than it may be": Kind(
        type="timestamp", nullable=True, format="dd.MM.yyyy HH:mm:ss"
    ),
    f"so long that {'very ' * 9}many arguments do not stand beside each other": Kind(
        type="timestamp", nullable=True, format="dd.MM.yyyy HH:mm:ss"
    ),
}


def contract_of(kinds):
    return Contract(fields=fields_of(kinds, column_names(list(kinds))))


def written(kinds, notes=None):
    return contract_text(contract_of(kinds), about="What a file holds.", notes=notes or {})


def imported(text):
    names = {}
    exec(compile(text, "contract.py", "exec"), names)
    return names["CONTRACT"]


def test_the_module_is_as_a_person_would_write_it():
    kinds = {"Id": Kind(type="integer"), "Tag": Kind(type="date", nullable=True, format="dd.MM.yyyy")}
    assert written(kinds, {"Tag": "check its format"}) == (
        '"""What a file holds."""\n'
        "\n"
        "from penstock import Contract, Field\n"
        "\n"
        "CONTRACT = Contract(\n"
        "    fields=(\n"
        '        Field(name="id", type="integer", source="Id"),\n'
        "        # check its format\n"
        '        Field(name="tag", type="date", source="Tag", nullable=True, format="dd.MM.yyyy"),\n'
        "    )\n"
        ")\n"
    )


def test_the_module_gives_the_contract_back():
    assert imported(written(KINDS)) == contract_of(KINDS)


@pytest.mark.parametrize(
    "kinds", [KINDS, *({"x" * length: Kind(type="double")} for length in range(1, 121, 7))], ids=len
)
@pytest.mark.parametrize("command", [("format", "--diff"), ("check",)], ids=["format", "check"])
def test_ruff_finds_nothing_to_change(tmp_path, kinds, command):
    (tmp_path / "boiler.py").write_text(written(kinds))
    ruff = Path(sys.executable).parent / "ruff"
    options = ["--no-cache", "--config", str(ROOT / "pyproject.toml"), str(tmp_path / "boiler.py")]
    ran = subprocess.run([str(ruff), *command, *options], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr


@given(st.text())
def test_a_literal_is_its_text(text):
    assert ast.literal_eval(python_text(text)) == text


@settings(max_examples=50)
@given(st.lists(st.text(min_size=1), min_size=1, max_size=5, unique_by=str.lower))
def test_any_headers_come_back(headers):
    kinds = {header: Kind(type="string") for header in headers}
    assert imported(written(kinds)).sources == tuple(headers)
