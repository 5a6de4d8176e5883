from pathlib import Path

from penstock.schemas.wine import CONTRACT

DATA = Path(__file__).parents[2] / "data" / "winequality-red.csv"


def header():
    return DATA.read_text(encoding="utf-8").splitlines()[0].split(",")


def test_the_fields_are_the_columns_of_the_data_but_the_target():
    assert [*CONTRACT.sources, "quality"] == header()


def test_the_model_is_given_the_names_of_the_header():
    assert [field.model for field in CONTRACT.fields] == header()[:-1]


def test_table_columns_are_the_header_in_snake_case():
    names = [field.name for field in CONTRACT.fields]
    assert names[0] == "fixed_acidity"
    assert names[5] == "free_sulfur_dioxide"
    assert names[8] == "ph"


def test_every_measurement_is_a_double_that_must_be_there():
    assert {(field.type, field.nullable) for field in CONTRACT.fields} == {("double", False)}


def test_every_rule_mentions_a_field():
    assert all(any(rule.mentions(field.name) for field in CONTRACT.fields) for rule in CONTRACT.rules)
