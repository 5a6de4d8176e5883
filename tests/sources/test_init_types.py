import pytest

from penstock.sources.inference.types import Kind, kind_of, null_marker_of, wants_trim


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["1", "-2", "+3"], "integer"),
        (["2147483647", "-2147483648"], "integer"),
        (["2147483648"], "long"),
        (["9223372036854775807"], "long"),
        (["9223372036854775808"], "string"),
        (["1" * 5000], "string"),
        (["01234", "56789"], "string"),
        (["0", "10"], "integer"),
        (["1", "2.5"], "double"),
        ([".5", "1.", "-1e-3"], "double"),
        (["1e999"], "string"),
        (["0x10"], "string"),
        (["7.4f"], "string"),
        (["Infinity"], "string"),
        (["1,5"], "string"),
        (["true", "FALSE"], "boolean"),
        (["true", "yes"], "string"),
        (["0", "1"], "integer"),
        (["2024-01-31"], "date"),
        (["2024-02-30"], "string"),
        (["2024-01-31T10:00:00Z", "2024-01-31 10:00"], "timestamp"),
        (["2024-01-31T10:00:00.123456+01:00"], "timestamp"),
        (["2024-01-31", "2024-01-31 10:00:00"], "timestamp"),
        (["9999-12-31"], "date"),
        (["10:00"], "string"),
        (["1", "a"], "string"),
        ([" 1"], "string"),
    ],
)
def test_the_type_is_the_strictest_that_all_texts_have(texts, expected):
    kind = kind_of(texts)
    assert (kind.type, kind.nullable, kind.format) == (expected, False, None)
    assert kind_of([*texts, None]).nullable
    assert kind_of([*texts, "x!"]).type == "string"


@pytest.mark.parametrize(
    ("texts", "expected", "form"),
    [
        (["31.12.2024", "01.02.2024"], "date", "dd.MM.yyyy"),
        (["31.12.2024", "1.2.2024"], "date", "d.M.yyyy"),
        (["12/31/2024", "02/01/2024"], "date", "MM/dd/yyyy"),
        (["31/12/2024"], "date", "dd/MM/yyyy"),
        (["2024/12/31"], "date", "yyyy/MM/dd"),
        (["31-12-2024"], "date", "dd-MM-yyyy"),
        (["31.12.2024 23:59"], "timestamp", "dd.MM.yyyy HH:mm"),
        (["12/31/2024 23:59:59"], "timestamp", "MM/dd/yyyy HH:mm:ss"),
    ],
)
def test_common_dates_have_their_format(texts, expected, form):
    kind = kind_of(texts)
    assert (kind.type, kind.format) == (expected, form)


@pytest.mark.parametrize("texts", [["31.02.2024"], ["31/12/2024", "12/31/2024"], ["1.2.24"], ["31.12.2024 24:00"]])
def test_what_is_no_date_is_text(texts):
    assert kind_of(texts) == Kind(type="string")


def test_a_date_that_could_be_another_one_is_told():
    assert kind_of(["01/02/2024"]).note == (
        "could be written as dd/MM/yyyy just as well as MM/dd/yyyy; check its format"
    )
    assert kind_of(["13/02/2024"]).note == ""


def test_nan_is_a_missing_number():
    kind = kind_of(["1", "NaN"])
    assert (kind.type, kind.nullable, kind.nan) == ("double", True, "null")
    assert kind_of(["nan"]).type == "string"


def test_a_column_without_values_is_text_that_may_be_missing():
    assert (kind_of([None]).type, kind_of([None]).nullable) == ("string", True)


@pytest.mark.parametrize(
    ("columns", "marker"),
    [
        ([["1", "NA"], ["2", "3"]], "NA"),
        ([["a", "NA"]], ""),
        ([["1", "?"], ["2", "?"], ["3", "NA"]], "?"),
        ([["NA", None]], ""),
        ([["1", "2"]], ""),
        ([["2024-01-01", "\\N"]], "\\N"),
    ],
)
def test_the_null_marker_is_what_hides_most_types(columns, marker):
    assert null_marker_of(columns) == marker


@pytest.mark.parametrize(
    ("header", "columns", "expected"),
    [
        (["x"], [["1", " 2"]], True),
        ([" x"], [["1"]], True),
        (["x"], [["a", " b"]], False),
        (["x"], [["1", "2"]], False),
        (["x"], [["1", "  "]], True),
    ],
)
def test_trim_where_blanks_hide_names_or_types(header, columns, expected):
    assert wants_trim(header, columns) is expected
