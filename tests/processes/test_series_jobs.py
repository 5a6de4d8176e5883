"""A VAR from fitting to forecasts, by the jobs as a person runs them."""

import numpy as np
import pandas as pd
from fit_sandbox import MACRO, level_forecasts, macro_frame, overrides, selected, to_csv
from job_processes import python, run
from sandbox import Sandbox

CUTOFF = "2005-10-01"
#: Quarters up to the cutoff, from the first of 1959.
KNOWN = 188


def test_fit_promote_forecast(sandbox: Sandbox) -> None:
    """fit_var on all quarters up to the cutoff, then a backfill of the last nine of them and two later ones."""
    history = macro_frame()
    data = to_csv(history, sandbox.root / "history.csv")
    settings = overrides(sandbox.root, sandbox.registry, model__name="macro-jobs", fit__max_lags=4)
    options = ["--conf", "conf/macro.yaml", *[part for setting in settings for part in ("--set", setting)]]

    wrong = run(sandbox, python("fit_var", *options, "--data", str(data), "--from-table"))
    assert (wrong.returncode, "use either --data, or --from-table" in wrong.stderr) == (2, True), wrong.stderr
    fit = run(sandbox, python("fit_var", *options, "--data", str(data), "--until", CUTOFF, "--promote"))
    assert fit.returncode == 0, fit.stderr
    assert "macro-jobs version 1: 1 series fitted, 0 refused" in fit.stdout

    sandbox.drop("start.csv", history.iloc[KNOWN - 9 : KNOWN].to_csv(index=False).encode())
    sandbox.drop("later.csv", history.iloc[KNOWN : KNOWN + 2].to_csv(index=False).encode(), age_seconds=40)
    backfill = run(sandbox, python("backfill", *options))
    assert backfill.returncode == 0, backfill.stderr
    assert "done: 1 micro-batches, 11 rows" in backfill.stdout

    levels = history[list(MACRO)].to_numpy()
    model = selected(levels[:KNOWN], max_lags=4)
    forecasts = sandbox.table("forecasts").toPandas()
    for known in (KNOWN, KNOWN + 2):
        points, lower, upper = level_forecasts(levels[:known], model, steps=8)
        mine = forecasts[forecasts["cutoff"] == history["ds"][known - 1]]
        for number, variable in enumerate(MACRO):
            rows = mine[mine["variable"] == variable].sort_values("step")
            assert list(rows["ds"]) == list(pd.date_range(history["ds"][known - 1], periods=9, freq="QS")[1:])
            for name, truth in (("forecast", points), ("lower", lower), ("upper", upper)):
                np.testing.assert_allclose(rows[name], truth[:, number], rtol=1e-9)
