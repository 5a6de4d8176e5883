import pytest
from mlflow.types import DataType as ModelType

from penstock.schemas.contract import Field
from penstock.schemas.tables import PRIMITIVES, spark_type
from penstock.schemas.types import EXACT_BITS, INTEGER_BITS, NUMBERS, TYPES, field_type


@pytest.mark.parametrize("name", TYPES)
def test_a_type_has_spark_s_name(name: str) -> None:
    assert PRIMITIVES[name].typeName() == name
    assert spark_type(Field(name="x", type=name)) == PRIMITIVES[name]


@pytest.mark.parametrize("name", [*TYPES, "decimal(5,2)"])
def test_what_it_feeds_are_types_of_a_signature(name: str) -> None:
    facts = field_type(name)
    assert facts is not None
    assert facts.feeds <= {kind.name for kind in ModelType}


def test_numbers() -> None:
    assert NUMBERS == ("double", "float", "integer", "long")
    assert set(NUMBERS) == set(INTEGER_BITS) | set(EXACT_BITS)
    assert not set(INTEGER_BITS) & set(EXACT_BITS)


def test_a_decimal_is_a_number_that_feeds_floating_inputs() -> None:
    facts = Field(name="x", type="decimal(12, 3)").facts
    assert (facts.kind, facts.feeds, facts.is_whole, facts.is_floating) == (
        "number",
        {"double", "float"},
        False,
        False,
    )
    assert spark_type(Field(name="x", type="decimal(12, 3)")).simpleString() == "decimal(12,3)"


def test_what_is_no_type() -> None:
    assert field_type("text") is None
    assert field_type("decimal") is None
