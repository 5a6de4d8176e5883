"""Texts that train takes as numbers of a field: those within its type, as the stream takes them."""

import math
import warnings

import pandas as pd
import pytest

from penstock.models.training.rows_data import input_column
from penstock.schemas.contract import Field

TAKEN = {
    "integer": ["2147483647", "-2147483648", "2147483647.000", "0" * 5000 + "7"],
    "long": ["9223372036854775807", "-9223372036854775808", "9223372036854775807.0"],
    "float": ["3.4028235e38", "-3.4028235e38", "1e-60"],
    "double": ["1e39", "1e308"],
    "decimal(5,2)": ["123.45", "-999.99", "1.2300", "1e-2", "12.5e1", "5.", ".5", "0e99", "0" * 50 + "1"],
    "decimal(38,38)": ["." + "1" * 38, "1e-38"],
    "decimal(38,0)": ["9" * 38],
}
REJECTED = {
    "integer": ["3000000000", "2147483648", "-2147483649", "9" * 5000],
    "long": ["99999999999999999999", "9223372036854775808", "-9223372036854775809"],
    "float": ["1e39", "-1e39", "3.4028236e38"],
    "double": ["1e309", "9" * 400],
    "decimal(5,2)": ["123456.789", "1.234", "1000", "999.999", "1e3", "1e-3", "0e100", "1." + "0" * 90 + "1"],
    "decimal(38,38)": ["1", "1e-39"],
    "decimal(38,0)": ["1" + "0" * 38, "0.5"],
}


def read(texts: list[str], **field) -> list[float]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return input_column(pd.Series(texts, dtype="object"), Field(name="x", **field)).tolist()


@pytest.mark.parametrize("kind", TAKEN)
def test_texts_within_the_type(kind):
    assert read(TAKEN[kind], type=kind) == [float(text) for text in TAKEN[kind]]
    assert all(map(math.isnan, read(REJECTED[kind], type=kind)))


@pytest.mark.parametrize("kind", TAKEN)
def test_with_a_decimal_comma(kind):
    taken = [text.replace(".", ",") for text in TAKEN[kind]]
    assert read(taken, type=kind, decimal=",") == [float(text) for text in TAKEN[kind]]
    rejected = [text.replace(".", ",") for text in REJECTED[kind]]
    assert all(map(math.isnan, read(rejected, type=kind, decimal=",")))


@pytest.mark.parametrize(
    ("kind", "values", "taken"),
    [
        ("integer", pd.Series([2**31 - 1, -(2**31), 2**31, -(2**31) - 1]), [True, True, False, False]),
        ("long", pd.Series([2**63 - 1, -(2**63)]), [True, True]),
        ("float", pd.Series([3.4e38, 1e39, math.inf, -1e39, math.nan]), [True, False, False, False, False]),
        ("double", pd.Series([1e39, math.inf]), [True, False]),
        ("decimal(5,2)", pd.Series([999, 1000, -1000]), [True, False, False]),
    ],
)
def test_numbers_of_parquet_within_the_type(kind, values, taken):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        column = input_column(values, Field(name="x", type=kind))
    assert column.notna().tolist() == taken
    assert column[taken].tolist() == values[taken].astype("float64").tolist()
