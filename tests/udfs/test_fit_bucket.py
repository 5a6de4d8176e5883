"""A bucket of observations is fitted in one call: holes are counted, named where they make a series too short, and left
to statsmodels' diagnostics as runs."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from fit_sandbox import MACRO, fleet_frame, random_levels
from var_loop import looped

from penstock.models.training.var_diagnostics import subjects, write_diagnostics
from penstock.models.training.var_fit import gather, outcome
from penstock.models.training.var_logging import series_table
from penstock.udfs.var.bucket import BucketSettings, arranged, bucket_fitter
from penstock.udfs.var.deterministic import DeterministicTerms
from penstock.udfs.var.fleet_fit import FitSettings

SETTINGS = BucketSettings(
    fit=FitSettings(transforms=("dlog",) * 3, max_lags=2, criterion="aic", variables=MACRO),
    frequency="QS",
    holdout=4,
    ids_are_integers=False,
)


def table_of(series):
    frame = fleet_frame(series).dropna().sample(frac=1, random_state=1)
    frame["ds"] = frame["ds"].dt.tz_localize("UTC").astype("datetime64[us, UTC]")
    return pa.Table.from_pandas(frame.assign(recency=np.int32(0)), preserve_index=False)


@pytest.fixture(scope="module")
def series():
    whole, holed, torn = (random_levels(n, seed=n) for n in (70, 80, 61))
    holed[[20, 45], 1] = np.nan
    torn[::3] = np.nan
    constant = random_levels(60, seed=3)
    constant[:, 2] = 7.0
    return {"constant": constant, "holed": holed, "torn": torn, "whole": whole}


@pytest.fixture(scope="module")
def fleet(series):
    [row] = bucket_fitter(SETTINGS)(table_of(series)).to_pylist()
    return gather([row], SETTINGS, n_observations=271)


def test_holes_are_counted(fleet, series):
    table = series_table(fleet).set_index("series_id")
    assert table["holes"].to_dict() == {"holed": 2, "whole": 0}
    keep = ~np.isnan(series["holed"]).any(axis=1)
    levels, periods = series["holed"][keep], np.flatnonzero(keep)
    theirs = looped(levels, periods, max_lags=2, criterion="aic", transforms=("dlog",) * 3)
    assert table["lag_order"]["holed"] == theirs.k_ar
    assert table["rows_left_out"].to_dict() == {"holed": 78 - 1 - theirs.k_ar - theirs.n_rows, "whole": 0}
    row = fleet.fitted_ids.tolist().index("holed")
    np.testing.assert_allclose(fleet.fit.sigma_u[row], theirs.sigma_u, rtol=1e-8)
    assert table["last_ds"]["holed"] == pd.Timestamp("2019-10-01")
    assert fleet.scored == 2


def test_reasons_name_variables_and_holes(fleet):
    assert dict(fleet.refused) == {
        "constant": "constant: realinv after its transform",
        "torn": "too short: 20 observations after the transform have 19 holes, so that only 0 come after 1 other "
        "without a hole; 26 needed; observations are missing after 2000-07-01, 2001-04-01, 2002-01-01 and 16 more",
    }
    n_rows = fleet.fit.rows_left_out.sum()
    assert outcome(fleet) == (
        f"2 series fitted, 2 refused: constant 1, too short 1; 1 series have 2 holes, which leave out {n_rows} rows"
    )


def test_statsmodels_sees_the_longest_run(series, tmp_path):
    orders = {"holed": 1, "whole": 1}
    found = subjects(arranged(table_of(series), SETTINGS), SETTINGS, orders)
    values = {one.series_id: one.values.to_numpy() for one in found}
    np.testing.assert_allclose(values["holed"], np.diff(np.log(series["holed"][46:]), axis=0), rtol=1e-12)
    np.testing.assert_allclose(values["whole"], np.diff(np.log(series["whole"]), axis=0), rtol=1e-12)
    index = write_diagnostics(found, tmp_path, terms=DeterministicTerms("c")).set_index("series_id")
    assert index["looked_at"]["holed"] == (
        "the longest of 3 runs: 33 observations, 2011-10-01 00:00:00 to 2019-10-01 00:00:00"
    )
    assert index["looked_at"]["whole"].startswith("all: 69 observations, ")
    assert index["problems"].tolist() == ["", ""]


def test_the_longest_run_of_statsmodels_has_the_phases_of_the_fit(series):
    found = subjects(arranged(table_of(series), SETTINGS), SETTINGS, {"holed": 1, "whole": 1})
    # The longest run is observation 46 and those after it; t = 1 is the difference of the first two observations.
    assert {one.series_id: one.first_time_index for one in found} == {"holed": 47.0, "whole": 1.0}
