"""A fleet of business days: its clock, for trends in time, stands still on weekends and holidays."""

from __future__ import annotations

import mlflow
import numpy as np
import pandas as pd
import pytest
from statsmodels.tsa.api import VAR
from var_frames import answers, window
from var_truth import simulated

from penstock.udfs.var.fit import fit_fleet
from penstock.udfs.var.fleet_fit import FitSettings
from penstock.udfs.var.fleet_save import save_fleet_model

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")
FITTED, KNOWN = 100, 104
HOLIDAYS = ("2024-12-25", "2024-12-26", "2025-01-01")


def saved(path, monkeypatch, *, trend="ct"):
    """The model, the levels, and their dates: the fit ends before Christmas of 2024."""
    monkeypatch.setenv("PENSTOCK_MODEL_CACHE", str(path / "cache"))
    values = simulated(2, 1, KNOWN, seed=3) + 0.05 * np.arange(KNOWN)[:, None]
    fit = fit_fleet(
        values[:FITTED],
        np.array([0, FITTED]),
        FitSettings(transforms=("none", "none"), max_lags=1, trend=trend, horizon=3),
    )
    dates = pd.date_range("2024-08-06", periods=KNOWN, freq=pd.offsets.CDay(holidays=list(HOLIDAYS)))
    last = dates[FITTED - 1 : FITTED].to_numpy()
    save_fleet_model(path / "m", fit, ids=["s"], variables=("u", "v"), frequency="B", last_ds=last, holidays=HOLIDAYS)
    return mlflow.pyfunc.load_model(str(path / "m")), values, dates


def test_a_trend_in_time_counts_business_days(tmp_path, monkeypatch):
    model, values, dates = saved(tmp_path, monkeypatch)
    # From Monday, December 23, over Christmas: 24, 27, 30, 31.
    assert [str(day.date()) for day in dates[FITTED - 1 :]] == [
        *("2024-12-23", "2024-12-24", "2024-12-27", "2024-12-30", "2024-12-31")
    ]
    rows = [
        window(values, ("u", "v"), lags=1, series_id="s", ds=dates[-1]),
        window(values, ("u", "v"), lags=1, series_id="s", ds="2024-12-26"),
    ]
    found = model.predict(pd.DataFrame(rows))
    fitted = VAR(values[:FITTED]).fit(1, trend="ct")
    # statsmodels counts time from the end of its sample: here from the last known day.
    fitted._results.n_totobs = KNOWN
    np.testing.assert_allclose(answers(found, ("u", "v"), "forecast"), fitted.forecast(values[-1:], 3), rtol=1e-9)
    assert found.iloc[1, 2:].isna().all(), "a holiday is off the calendar"


@pytest.mark.parametrize(("trend", "named"), [("ct", list(HOLIDAYS)), ("c", None)])
def test_the_model_names_the_holidays_that_its_clock_needs(tmp_path, monkeypatch, trend, named):
    model, _, _ = saved(tmp_path, monkeypatch, trend=trend)
    assert model.metadata.metadata["penstock_fleet"].get("holidays") == named
