"""statsmodels' diagnostics: what can't be computed is said, and the others go on."""

import numpy as np
import pandas as pd
from fit_sandbox import random_levels

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
