import keyword
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.errors import ConfigError
from penstock.interfaces.scaffold.naming import OWN_MODULES, check_pipeline_name, column_names, refuse_own_module
from penstock.schemas.contract import Contract, Field

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("alcohol", "alcohol"),
        ("fixed acidity", "fixed_acidity"),
        ("Größe (cm)", "groesse_cm"),
        ("Straße", "strasse"),
        ("café", "cafe"),
        ("pH", "ph"),
        ("sepalLength", "sepal_length"),
        ("2019", "column_2019"),
        ("%", "column_1"),
        ("温度", "column_1"),
        ("__x__", "x"),
        ("error", "error_value"),
    ],
)
def test_a_header_becomes_a_name_in_snake_case(header, name):
    assert column_names([header]) == [name]


def test_equal_names_get_numbers():
    assert column_names(["a b", "a-b", "a_b_2", "a.b"]) == ["a_b", "a_b_2", "a_b_2_2", "a_b_3"]


def test_taken_names_are_no_choice():
    assert column_names(["Number"], taken={"number"}) == ["number_2"]


@given(st.lists(st.text(min_size=1), min_size=1, unique_by=str.lower))
def test_any_headers_become_fields_of_one_contract(headers):
    names = column_names(headers)
    fields = tuple(Field(name=name, source=header, type="string") for name, header in zip(names, headers, strict=True))
    assert Contract(fields=fields).sources == tuple(headers)
    assert all(name.isidentifier() for name in names)


@pytest.mark.parametrize(
    ("headers", "said"),
    [
        (["a", "b", "a"], "header: column 'a' stands twice; rename one of them in the file"),
        (["pH", "PH"], "header: columns 'pH' and 'PH' differ in case only; rename one in the file"),
    ],
)
def test_headers_that_can_not_be_told_apart(headers, said):
    with pytest.raises(ConfigError) as error:
        column_names(headers)
    assert str(error.value) == said


@pytest.mark.parametrize("name", ["boiler", "boiler_2", "b"])
def test_a_usable_name(name):
    check_pipeline_name(name)


@pytest.mark.parametrize(
    ("name", "suggestion"),
    [
        ("my-data", "my_data"),
        ("Boiler", "boiler"),
        ("2boilers", "pipeline_2boilers"),
        ("class", "pipeline_class"),
        ("Öfen", "oefen"),
        ("../x", "x"),
        ("", "my_pipeline"),
        ("_x", "x"),
    ],
)
def test_an_unusable_name_is_refused_with_a_suggestion(name, suggestion):
    with pytest.raises(ConfigError) as error:
        check_pipeline_name(name)
    assert str(error.value).endswith(f"for example {suggestion}")
    check_pipeline_name(suggestion)


@pytest.mark.parametrize("name", sorted(OWN_MODULES))
def test_penstocks_own_modules_are_not_written_over(name, tmp_path, monkeypatch):
    check_pipeline_name(name)
    refuse_own_module(name, tmp_path)
    for folder in (ROOT, ROOT / "penstock"):
        with pytest.raises(ConfigError, match=f"schemas/{name}.py is Penstock's own; choose another name"):
            refuse_own_module(name, folder)
    monkeypatch.chdir(ROOT)
    with pytest.raises(ConfigError, match="Penstock's own"):
        refuse_own_module(name, Path())


def test_its_other_modules_are_contracts():
    modules = {path.stem for path in (ROOT / "schemas").glob("*.py")} - {"__init__"}
    assert modules - OWN_MODULES == {"macro", "wine", "wine_labels", "wine_orders"}
    refuse_own_module("wine", ROOT)


@given(st.text())
def test_a_name_that_is_not_refused_can_be_imported(name):
    try:
        check_pipeline_name(name)
    except ConfigError:
        return
    assert name.isidentifier()
    assert not keyword.iskeyword(name)
