"""A bucket's observations meet the exogenous variables of their periods, of all series or of each."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from exogenous_truth import NAMES, driven, fit_driven
from statsmodels.tsa.api import VAR

from penstock.models.training.var_diagnostics import diagnose, subjects
from penstock.models.training.var_fit import gather, outcome
from penstock.udfs.var.bucket import IS_EXOGENOUS, BucketSettings, arranged, bucket_fitter, known_in_advance
from penstock.udfs.var.deterministic import DeterministicTerms
from penstock.udfs.var.fleet_fit import FitSettings

VARIABLES = ("u", "v")
STARTS = {"a": "2024-01-01", "b": "2024-02-12", "c": "2023-11-30"}
SETTINGS = BucketSettings(
    fit=FitSettings(transforms=("none",) * 2, max_lags=2, variables=VARIABLES, exogenous=NAMES[:2], horizon=3),
    frequency="D",
    holdout=3,
    ids_are_integers=False,
)


def series_of(seed=0):
    """{id: levels}, and {id: exogenous values}, which go on for 10 periods."""
    pairs = {name: driven(2, 2, 100 + 10, seed=seed + place) for place, name in enumerate(STARTS)}
    return {name: levels[:100] for name, (levels, _) in pairs.items()}, {
        name: known for name, (_, known) in pairs.items()
    }


def frame_of(values, columns):
    parts = [
        pd.DataFrame(rows, columns=list(columns)).assign(
            series_id=name, ds=pd.date_range(STARTS[name], periods=len(rows), tz="UTC").as_unit("us")
        )
        for name, rows in values.items()
    ]
    return pd.concat(parts, ignore_index=True)


def table_of(frame):
    return pa.Table.from_pandas(frame.sample(frac=1, random_state=1), preserve_index=False)


def observed(levels):
    return frame_of(levels, VARIABLES).assign(recency=np.int32(0))


def fitted(table, bucket_settings=SETTINGS, **options):
    return gather([*bucket_fitter(bucket_settings, **options)(table).to_pylist()], bucket_settings, n_observations=1)


def test_rows_of_each_series():
    levels, known = series_of()
    rows = frame_of(known, NAMES[:2])
    stray = pd.DataFrame(
        {"series_id": ["a", "unknown"], "ds": pd.to_datetime(["2024-01-01 12:00", "2024-01-02 00:00"], utc=True)}
    )
    rows = pd.concat([rows, stray.assign(price=99.0, sale=99.0, ds=stray["ds"].dt.as_unit("us"))], ignore_index=True)
    both = pd.concat([observed(levels).assign(is_exogenous=False), rows.assign(is_exogenous=True)], ignore_index=True)
    assert IS_EXOGENOUS == "is_exogenous"
    fleet = fitted(table_of(both))
    assert fleet.ids.tolist() == ["a", "b", "c"]
    expected = fit_driven(list(levels.values()), [values[:100] for values in known.values()], max_lags=2)
    np.testing.assert_array_equal(fleet.fit.trend_coefficients, expected.trend_coefficients)
    np.testing.assert_array_equal(fleet.fit.coefficients, expected.coefficients)
    assert fleet.scored == 3
    assert outcome(fleet) == "3 series fitted, 0 refused"


def test_rows_of_all_series_are_those_of_their_dates():
    levels, _ = series_of()
    days = pd.date_range("2023-11-01", "2024-08-01", tz="UTC")
    random = np.random.default_rng(1)
    shared = pd.DataFrame({"ds": days.as_unit("us"), "price": random.normal(size=len(days)), "sale": days.day < 4})
    shared["sale"] = shared["sale"].astype(float)
    fleet = fitted(table_of(observed(levels)), exogenous=table_of(shared))
    by_day = shared.set_index("ds")
    own = [by_day.loc[pd.date_range(STARTS[name], periods=100, tz="UTC")].to_numpy() for name in levels]
    expected = fit_driven(list(levels.values()), own, max_lags=2)
    np.testing.assert_array_equal(fleet.fit.exogenous_coefficients, expected.exogenous_coefficients)
    for row, (piece, values) in enumerate(zip(levels.values(), own, strict=True)):
        np.testing.assert_allclose(fleet.fit.sigma_u[row], VAR(piece, exog=values).fit(2).sigma_u, rtol=1e-8)


def test_months_meet_by_their_periods():
    levels, _ = driven(2, 1, 90, seed=3)
    months = pd.date_range("2015-01-31", periods=100, freq="ME", tz="UTC").as_unit("us")
    values = np.random.default_rng(2).normal(size=100)
    frame = pd.DataFrame(levels, columns=list(VARIABLES)).assign(series_id="m", ds=months[:90], recency=np.int32(0))
    given_settings = BucketSettings(
        fit=FitSettings(transforms=("none",) * 2, max_lags=1, variables=VARIABLES, exogenous=("price",)),
        frequency="ME",
        holdout=0,
        ids_are_integers=False,
    )
    shared = pd.DataFrame({"ds": months, "price": values})
    fleet = fitted(table_of(frame), given_settings, exogenous=table_of(shared))
    theirs = VAR(levels, exog=values[:90]).fit(1)
    np.testing.assert_allclose(fleet.fit.trend_coefficients[0], theirs.coefs_exog.T, rtol=1e-8, atol=1e-8)


def test_missing_rows_are_counted():
    levels, known = series_of()
    rows = frame_of(known, NAMES[:2]).drop(index=[20, 50, 330 - 40])
    both = pd.concat([observed(levels).assign(is_exogenous=False), rows.assign(is_exogenous=True)], ignore_index=True)
    fleet = fitted(table_of(both))
    assert fleet.fit.rows_left_out.tolist() == [2, 0, 1]
    assert outcome(fleet) == "3 series fitted, 0 refused; missing exogenous variables leave out 3 rows of 2 series"
    holed = pd.concat([both.drop(index=130)], ignore_index=True)
    assert outcome(fitted(table_of(holed))) == (
        "3 series fitted, 0 refused; 1 series have 1 holes, which, with missing exogenous variables, leave out 5 rows"
    )


def test_statsmodels_sees_the_longest_run_with_all_values(tmp_path):
    """Values of observation 30 are missing: statsmodels sees the 69 after it, with theirs."""
    levels, known = series_of()
    known["b"][30, 1] = np.nan
    rows = frame_of(known, NAMES[:2])
    given_histories = arranged(table_of(observed(levels)), SETTINGS)
    ahead = known_in_advance(table_of(rows), given_histories, SETTINGS)
    found = subjects(given_histories, SETTINGS, {"a": 2, "b": 2}, exogenous=ahead)
    assert [(one.series_id, one.n_runs, one.first_time_index, len(one.values)) for one in found] == [
        ("a", 1, 1.0, 100),
        ("b", 2, 32.0, 69),
    ]
    terms = DeterministicTerms("c", exogenous=NAMES[:2])
    np.testing.assert_array_equal(found[1].given_columns(terms), known["b"][31:100])
    (tmp_path / "b").mkdir()
    assert diagnose(found[1], tmp_path / "b", terms=terms) == []
    theirs = VAR(levels["b"][31:], exog=known["b"][31:100]).fit(2)
    text = (tmp_path / "b" / "summary.txt").read_text()
    assert f"{theirs.aic:.4f}"[:6] in text


def test_integer_ids():
    levels, known = series_of()
    numbers = {"a": 7, "b": 8, "c": 30}
    settings = BucketSettings(fit=SETTINGS.fit, frequency="D", holdout=0, ids_are_integers=True)
    given_histories = arranged(table_of(observed(levels).replace({"series_id": numbers})), settings)
    rows = frame_of(known, NAMES[:2])
    rows["series_id"] = rows["series_id"].map({name: str(number) for name, number in numbers.items()})
    ahead = known_in_advance(table_of(rows), given_histories, settings)
    np.testing.assert_array_equal(ahead.at(np.array([2]), given_histories.periods[[-1]] + 10), known["c"][[109]])


def test_without_values_there_is_no_fit():
    levels, _ = series_of()
    with pytest.raises(ValueError, match="no values of the exogenous variables price, sale"):
        bucket_fitter(SETTINGS)(table_of(observed(levels)))
