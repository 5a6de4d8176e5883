"""Exogenous variables beside settings of the fit that they are not offered with, and what a fit takes of them."""

import json

import pytest
from inspections import config

from penstock.errors import ConfigError
from penstock.models.training.var import run_name
from penstock.models.training.var_exogenous import read_known
from penstock.models.training.var_settings import bucket_settings

EXOGENOUS = json.dumps({"path": "known.csv", "columns": ["price", "sale"]})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"fit__intervals": "asymptotic"},
            r"intervals asymptotic are not offered with exogenous variables \(price, sale",
        ),
        (
            {"fit__prior": "minnesota", "fit__criterion": "null"},
            r"prior minnesota is not offered with exogenous variables \(price, sale\): use none",
        ),
    ],
)
def test_settings_of_the_fit_that_are_refused(changes, message):
    with pytest.raises(ConfigError, match=message):
        config(series__exogenous=EXOGENOUS, **changes)


def test_the_fit_has_their_names():
    given = config(series__exogenous=EXOGENOUS)
    assert bucket_settings(given, ids_are_integers=False).fit.exogenous == ("price", "sale")
    assert run_name(given) == "var lags=aic up to 8 trend=c exogenous=price,sale"
    assert bucket_settings(config(), ids_are_integers=False).fit.exogenous == ()
    assert run_name(config()) == "var lags=aic up to 8 trend=c"


def test_columns_of_the_fits_own_are_refused():
    exogenous = json.dumps({"path": "known.csv", "columns": ["price", "recency"]})
    with pytest.raises(ConfigError, match=r"series\.exogenous\.columns: recency is a column of the fit's own"):
        read_known(config(series__exogenous=exogenous))
    assert read_known(config()) is None
