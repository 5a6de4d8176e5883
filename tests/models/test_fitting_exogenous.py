"""The fit job with exogenous variables of each series: its registered model is statsmodels' with the same values."""

import json
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
from exogenous_truth import driven
from fit_sandbox import answered, fit_config, fleet_frame, to_csv, window
from statsmodels.tsa.api import VAR

from penstock.config.exogenous import lead_column
from penstock.errors import ExogenousError
from penstock.models.training.var import fit_var

N, HORIZON = 90, 8


def series_of(seed):
    levels, known = driven(3, 2, N + HORIZON, seed=seed)
    return 100 * np.exp(0.02 * np.cumsum(levels, axis=0)), known


@pytest.fixture(scope="module")
def series():
    return {name: series_of(seed) for seed, name in enumerate(("a", "b", "c"))}


def configured(root, registry, series, **changes):
    """A config with a file of past and future values; of series c the value of one day is missing."""
    values = pd.concat(
        pd.DataFrame(known, columns=["price", "sale"]).assign(
            shop=name, day=pd.date_range("2000-01-01", periods=len(known), freq="QS").strftime("%Y-%m-%d")
        )
        for name, (_, known) in series.items()
    ).reset_index(drop=True)
    values.loc[(values["shop"] == "c") & (values["day"] == "2010-01-01"), "price"] = np.nan
    file = root / "known.csv"
    values.to_csv(file, index=False)
    exogenous = {"path": str(file), "columns": ["price", "sale"], "time": "day", "id": "shop"}
    config = fit_config(
        root,
        registry,
        model__name=root.name,
        fit__max_lags=2,
        fit__criterion="null",
        series__exogenous=json.dumps(exogenous),
        **changes,
    )
    frame = fleet_frame({name: levels[:N] for name, (levels, _) in series.items()})
    to_csv(frame, Path(config.source.path) / "history.csv")
    return config


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_the_registered_model_is_statsmodels_model(spark, registry, series, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")
    config = configured(tmp_path, registry, series)
    result = fit_var(spark, config, promote=True, diagnosed=3)
    assert result.outcome == "3 series fitted, 0 refused; missing exogenous variables leave out 1 rows of 1 series"
    params = registry.client.get_run(result.run_id).data.params
    path = config.the_series.exogenous.path
    assert (params["exogenous"], params["exogenous_source"], params["exogenous_rows"]) == ("price, sale", path, "294")
    sources = {one.dataset.source for one in registry.client.get_run(result.run_id).inputs.dataset_inputs}
    assert f'{{"uri": "{path}"}}' in sources

    mlflow.set_registry_uri(registry.uri)
    model = mlflow.pyfunc.load_model(f"models:/{config.model.name}@champion")
    last, rows = pd.Timestamp("2022-04-01"), []
    for name, (levels, known) in series.items():
        leads = {
            lead_column(column, step): known[N - 1 + step, place]
            for step in range(1, HORIZON + 1)
            for place, column in enumerate(("price", "sale"))
        }
        rows.append(window(levels[:N], lags=3, series_id=name, ds=last) | leads)
    answer = model.predict(pd.DataFrame(rows))
    for row, (name, (levels, known)) in enumerate(series.items()):
        if name == "c":
            continue
        scale = np.log(levels[:N])
        theirs = VAR(np.diff(scale, axis=0), exog=known[1:N]).fit(2)
        steps = theirs.forecast(np.diff(scale, axis=0)[-2:], HORIZON, exog_future=known[N : N + HORIZON])
        expected = np.exp(scale[-1] + np.cumsum(steps, axis=0))
        np.testing.assert_allclose(answered(answer, "forecast", row=row), expected, rtol=1e-8)

    index = pd.read_csv(
        mlflow.artifacts.download_artifacts(
            run_id=result.run_id, artifact_path="diagnostics/index.csv", tracking_uri=registry.uri
        )
    ).set_index("series_id")
    assert index["problems"].isna().all()
    assert index["looked_at"]["c"].startswith("the longest of 2 runs: 49 observations, 2010-04-01")


def test_a_missing_file_stops_the_fit(spark, registry, series, tmp_path):
    config = configured(tmp_path, registry, series)
    Path(config.the_series.exogenous.path).unlink()
    with pytest.raises(ExogenousError, match=r"known\.csv: there is no such file; put it there"):
        fit_var(spark, config)
