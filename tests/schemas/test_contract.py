import pytest

from penstock.schemas.contract import MAX_FIELDS, RESERVED_NAMES, Contract, ContractDefinitionError, Field, Rule


def test_source_and_model_default_to_the_name():
    field = Field(name="alcohol", type="double")
    assert (field.source, field.model) == ("alcohol", "alcohol")


def test_source_and_model_are_kept_where_given():
    field = Field(name="ph", type="double", source="pH", model="PH value")
    assert (field.source, field.model) == ("pH", "PH value")


@pytest.mark.parametrize("name", sorted(RESERVED_NAMES))
def test_a_name_that_the_tables_use_is_refused(name):
    with pytest.raises(ContractDefinitionError, match=f"'{name}'.*choose another"):
        Field(name=name, type="string")


@pytest.mark.parametrize("name", ["query_id", "batch_id", "prediction", "error", "source_file", "scored_at", "role"])
def test_the_columns_of_predictions_are_reserved(name):
    assert name in RESERVED_NAMES


@pytest.mark.parametrize("name", ["fixedAcidity", "pH", "fixed acidity", "2nd", "a-b", "a.b", "é", "a\n", ""])
def test_a_name_that_is_not_snake_case_is_refused(name):
    with pytest.raises(ContractDefinitionError, match="snake_case"):
        Field(name=name, type="double")


def test_a_camel_case_name_is_pointed_to_source():
    with pytest.raises(ContractDefinitionError, match="source='fixedAcidity'"):
        Field(name="fixedAcidity", type="double")


@pytest.mark.parametrize("name", ["a", "a1", "a_", "free_sulfur_dioxide"])
def test_a_snake_case_name_is_taken(name):
    assert Field(name=name, type="double").name == name


@pytest.mark.parametrize("kind", ["int", "Double", "decimal", "decimal(5)", "decimal(5,2", "array<double>", ""])
def test_an_unknown_type_is_refused(kind):
    with pytest.raises(ContractDefinitionError, match="unknown type"):
        Field(name="x", type=kind)


@pytest.mark.parametrize("kind", ["decimal(39,2)", "decimal(2,3)", "decimal(0,0)"])
def test_a_decimal_that_spark_does_not_have_is_refused(kind):
    with pytest.raises(ContractDefinitionError):
        Field(name="x", type=kind)


@pytest.mark.parametrize("kind", ["double", "float", "integer", "long", "string", "boolean", "decimal(5,2)"])
def test_a_format_is_for_times_only(kind):
    with pytest.raises(ContractDefinitionError, match="timestamp and date only"):
        Field(name="x", type=kind, format="dd.MM.yyyy")


@pytest.mark.parametrize("kind", ["timestamp", "date"])
def test_a_time_may_have_a_format(kind):
    assert Field(name="x", type=kind, format="dd.MM.yyyy").format == "dd.MM.yyyy"


@pytest.mark.parametrize(
    ("kind", "expected"), [("decimal(5,2)", (5, 2)), ("decimal(38, 10)", (38, 10)), ("double", None), ("string", None)]
)
def test_decimal_precision_and_scale(kind, expected):
    assert Field(name="x", type=kind).decimal_precision_scale == expected


@pytest.mark.parametrize(("kind", "expected"), [("double", True), ("float", True), ("long", False), ("string", False)])
def test_floating_types(kind, expected):
    assert Field(name="x", type=kind).is_floating is expected


def test_a_contract_without_fields_is_refused():
    with pytest.raises(ContractDefinitionError, match="at least one field"):
        Contract(fields=())


@pytest.mark.parametrize(
    ("second", "what"),
    [
        (Field(name="a", type="double", source="B", model="B"), "field name 'a'"),
        (Field(name="b", type="double", source="A", model="b"), "field source 'A'"),
        (Field(name="b", type="double", source="b", model="A"), "field model 'A'"),
    ],
)
def test_doubled_fields_are_refused_whatever_their_case(second, what):
    with pytest.raises(ContractDefinitionError, match=f"{what} stands twice"):
        Contract(fields=(Field(name="a", type="double"), second))


def test_doubled_rule_names_are_refused_whatever_their_case():
    rules = (Rule(name="in_range", sql="a > 0"), Rule(name="IN_RANGE", sql="a < 9"))
    with pytest.raises(ContractDefinitionError, match="rule name 'IN_RANGE' stands twice"):
        Contract(fields=(Field(name="a", type="double"),), rules=rules)


def test_a_contract_has_not_more_fields_than_spark_can_take():
    fields = tuple(Field(name=f"f{number}", type="double") for number in range(MAX_FIELDS + 1))
    assert len(Contract(fields=fields[1:]).fields) == MAX_FIELDS
    with pytest.raises(ContractDefinitionError, match="at most 10,000 fields, this one 10,001"):
        Contract(fields=fields)


def test_sources_are_in_the_order_of_the_fields():
    contract = Contract(fields=(Field(name="b", type="double", source="B b"), Field(name="a", type="double")))
    assert contract.sources == ("B b", "a")


def test_a_field_is_found_by_its_model_name_only():
    field = Field(name="ph", type="double", source="pH", model="acidity")
    contract = Contract(fields=(field,))
    assert contract.field_for_model_input("acidity") is field
    assert contract.field_for_model_input("ph") is None


@pytest.mark.parametrize(
    ("sql", "mentioned"),
    [
        ("ph BETWEEN 0 AND 14", True),
        ("PH > 0", True),
        ("`ph` > 0", True),
        ("abs(ph)<1", True),
        ("alcohol>0 AND ph", True),
        ("alpha > 0", False),
        ("ph2 > 0", False),
        ("my_ph > 0", False),
        ("other.ph > 0", False),
        ("", False),
    ],
)
def test_a_rule_mentions_a_field_as_a_whole_word(sql, mentioned):
    assert Rule(name="r", sql=sql).mentions("ph") is mentioned
