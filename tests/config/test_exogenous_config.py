"""The part `series.exogenous` of a config."""

from typing import Any

import pytest
from pydantic import ValidationError

from penstock.config.series import SeriesConfig


def series(**exogenous: Any) -> SeriesConfig:
    settings = {"variables": ["sales"], "frequency": "D"}
    return SeriesConfig.model_validate(settings | ({"exogenous": exogenous} if exogenous else {}))


@pytest.mark.parametrize(
    ("exogenous", "message"),
    [
        ({"columns": ["Price"]}, r"exogenous.columns has 'Price', expected snake_case"),
        ({"columns": ["price", "price"]}, "names price more than once"),
        ({"columns": ["price"], "id": "price"}, "names price more than once"),
        ({"columns": ["sales"]}, "sales can't be exogenous and among the variables that are forecast"),
        ({"columns": []}, "at least 1 item"),
    ],
)
def test_what_is_refused(exogenous: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        series(path="values.csv", **exogenous)


def test_the_names_determine_forecasts_and_not_where_their_values_are() -> None:
    here, there = (series(path=path, columns=["price"]).meaning for path in ("a.csv", "s3://bucket/b"))
    assert here == there
    assert here != series(path="a.csv", columns=["cost"]).meaning
    assert "exogenous" not in series().meaning
    of_shops = series(path="values.csv", columns=["price"], id="shop").meaning
    assert of_shops == series(path="other.csv", columns=["price"], id="shop").meaning
    assert of_shops != series(path="values.csv", columns=["price"]).meaning
