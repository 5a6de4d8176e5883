"""statsmodels' diagnostics: what can't be computed is said, and the others go on."""

from dataclasses import replace

import numpy as np
import pandas as pd
from fit_sandbox import random_levels
from season_truth import dummies, seasonal
from statsmodels.tsa.api import VAR

from penstock.models.training.var_diagnostics import Subject, write_diagnostics
from penstock.udfs.var.deterministic import DeterministicTerms


def subject(name, values, lag_order):
    dates = pd.date_range("2000-01-01", periods=len(values), freq="QS")
    frame = pd.DataFrame(values, index=dates, columns=list("abc"))
    return Subject(series_id=name, lag_order=lag_order, values=frame)


def test_a_diagnostic_that_fails_is_no_end(tmp_path):
    values = np.diff(np.log(random_levels(80, seed=1)), axis=0)
    index = write_diagnostics(
        [
            subject("good/../one", values, 2),
            subject("no lags", values, 0),
            subject("too short for the whiteness test", values[:12], 1),
            subject("hopeless", values[:3], 2),
        ],
        tmp_path / "diagnostics",
        terms=DeterministicTerms("c"),
    )
    assert index["folder"].tolist() == [
        "01-good_.._one",
        "02-no_lags",
        "03-too_short_for_the_whiteness_test",
        "04-hopeless",
    ]
    problems = index["problems"].tolist()
    assert problems[0] == ""
    assert "stability: ValueError: a VAR(0) has no roots" in problems[1]
    assert problems[3].startswith("statsmodels could not fit it: ")
    assert (tmp_path / "diagnostics" / "02-no_lags" / "problems.txt").exists()
    assert (tmp_path / "diagnostics" / "02-no_lags" / "summary.txt").read_text().strip()
    assert pd.read_csv(tmp_path / "diagnostics" / "index.csv")["series_id"].tolist()[0] == "good/../one"
    granger = pd.read_csv(tmp_path / "diagnostics" / "01-good_.._one" / "granger_causality.csv")
    assert len(granger) == 6


def test_a_season_is_in_statsmodels_model_too(tmp_path):
    """Its tests are those of a VAR with the dummies as exog, in the phases that the run's periods have."""
    values = seasonal(3, 150, season=4, seed=2)
    # The run begins in the third phase: its first value is at t = 7.
    one = replace(subject("seasonal", values[6:], 2), first_time_index=7.0)
    index = write_diagnostics([one], tmp_path, terms=DeterministicTerms("ct", 4))
    assert index["problems"].tolist() == [""]
    theirs = VAR(one.values.to_numpy(), exog=dummies(4, np.arange(7, 151))).fit(2, trend="ct")
    granger = pd.read_csv(tmp_path / index["folder"][0] / "granger_causality.csv")
    wanted = [theirs.test_causality("y1", f"y{i}", kind="f").test_statistic for i in (2, 3)]
    np.testing.assert_allclose(granger[granger["caused"] == "a"]["statistic"], wanted, rtol=1e-8)
    summary = (tmp_path / index["folder"][0] / "summary.txt").read_text().splitlines()
    first = next(line for line in summary if line.startswith("season of 4: phase 3"))
    assert float(first.split()[5]) == round(theirs.params[4, 0], 6)
