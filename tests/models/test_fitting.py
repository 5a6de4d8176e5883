"""From observations to a registered model, which is statsmodels' model."""

from datetime import datetime
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
from fit_sandbox import (
    MACRO,
    answered,
    fit_config,
    fleet_frame,
    lags_of,
    level_forecasts,
    macro_frame,
    random_levels,
    selected,
    to_csv,
    window,
)
from season_truth import dummies
from statsmodels.tsa.api import VAR
from var_loop import looped

from penstock.errors import ConfigError, FitError
from penstock.models.fleet_check import fitted_until
from penstock.models.training.var import fit_var
from penstock.models.training.var_fit import bucket_count, fit_series
from penstock.models.training.var_settings import bucket_settings

CUTOFF = datetime(2005, 10, 1)


@pytest.fixture(autouse=True)
def _no_pickle(monkeypatch):
    monkeypatch.setenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")


@pytest.fixture(scope="module")
def macro_fit(spark, registry, tmp_path_factory):
    """US macro data up to the cutoff, fitted and promoted; once for the tests here."""
    root = tmp_path_factory.mktemp("macro")
    config = fit_config(root, registry, model__name="macro-fit")
    to_csv(macro_frame(), Path(config.source.path) / "history.csv")
    result = fit_var(spark, config, until=CUTOFF, promote=True)
    return config, result


def macro_history():
    frame = macro_frame()
    return frame[frame["ds"] <= CUTOFF][list(MACRO)].to_numpy()


def artifact(registry, run_id, path):
    return Path(mlflow.artifacts.download_artifacts(run_id=run_id, artifact_path=path, tracking_uri=registry.uri))


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_the_registered_model_is_statsmodels_model(macro_fit, registry):
    config, result = macro_fit
    levels = macro_history()
    theirs = selected(levels, max_lags=8)
    fit = result.fleet.fit
    assert fit.lag_order.tolist() == [theirs.k_ar]
    ours = [fit.trend_coefficients[0], *fit.coefficients[0, : theirs.k_ar].transpose(0, 2, 1)]
    np.testing.assert_allclose(np.concatenate(ours), theirs.params, rtol=1e-8, atol=1e-12)
    np.testing.assert_allclose(fit.sigma_u[0], theirs.sigma_u, rtol=1e-8)

    mlflow.set_registry_uri(registry.uri)
    model = mlflow.pyfunc.load_model(f"models:/{config.model.name}@champion")
    assert fitted_until(model.metadata.metadata) == pd.Timestamp(CUTOFF, tz="UTC")
    asked = pd.DataFrame([window(levels, lags=lags_of(model), series_id="usa", ds=CUTOFF)])
    answer = model.predict(asked)
    for bound, truth in zip(("forecast", "lower", "upper"), level_forecasts(levels, theirs, steps=8), strict=True):
        np.testing.assert_allclose(answered(answer, bound), truth, rtol=1e-9)


def test_both_aliases_are_set(macro_fit, registry):
    config, result = macro_fit
    found = {name: registry.client.get_model_version_by_alias(config.model.name, name) for name in
             ("candidate", "champion")}  # fmt: skip
    assert {name: str(version.version) for name, version in found.items()} == dict.fromkeys(found, result.version)
    assert found["champion"].run_id == result.run_id


def test_mlflow_has_the_whole_story(macro_fit, registry):
    config, result = macro_fit
    run = registry.client.get_run(result.run_id)
    assert run.info.status == "FINISHED"
    assert (
        run.data.params.items()
        >= {
            "variables": "realgdp, realcons, realinv",
            "transforms": "dlog, dlog, dlog",
            "criterion": "aic",
            "max_lags": "8",
            "trend": "c",
            "intervals": "plain",
            "horizon": "8",
            "holdout": "8",
            "until": "2005-10-01T00:00:00",
            "series_fitted": "1",
            "series_refused": "0",
            "data_files": "1",
            "data_source": config.source.path,
        }.items()
    )
    wanted = {f"holdout_{which}{measure}_{variable}" for which in ("", "naive_") for variable in MACRO for measure in
              ("mae", "rmse", "mase", "coverage")}  # fmt: skip
    assert wanted <= set(run.data.metrics)
    assert run.data.tags["accuracy"] == "out_of_sample"
    assert {"seconds_read", "seconds_fit", "seconds_diagnostics", "seconds_register"} <= set(run.data.metrics)
    assert [given.dataset.source for given in run.inputs.dataset_inputs] == [f'{{"uri": "{config.source.path}"}}']


def test_the_holdout_is_the_last_periods_before_the_cutoff(macro_fit, registry):
    metrics = registry.client.get_run(macro_fit[1].run_id).data.metrics
    levels = macro_history()
    train, truth = levels[:-8], levels[-8:]
    points, lower, upper = level_forecasts(train, selected(train, max_lags=8), steps=8)
    scale = np.abs(np.diff(train, axis=0)).mean(axis=0)
    for i, name in enumerate(MACRO):
        error, naive = points[:, i] - truth[:, i], train[-1, i] - truth[:, i]
        assert metrics[f"holdout_mae_{name}"] == pytest.approx(np.abs(error).mean(), rel=1e-8)
        assert metrics[f"holdout_rmse_{name}"] == pytest.approx(np.sqrt((error**2).mean()), rel=1e-8)
        assert metrics[f"holdout_mase_{name}"] == pytest.approx(np.abs(error).mean() / scale[i], rel=1e-8)
        inside = (lower[:, i] <= truth[:, i]) & (truth[:, i] <= upper[:, i])
        assert metrics[f"holdout_coverage_{name}"] == inside.mean()
        assert metrics[f"holdout_naive_mae_{name}"] == pytest.approx(np.abs(naive).mean(), rel=1e-8)


def test_the_artifacts(macro_fit, registry):
    folder = artifact(registry, macro_fit[1].run_id, "")
    orders = pd.read_csv(folder / "fit/lag_orders.csv")
    assert orders["series"].sum() == 1
    series = pd.read_parquet(folder / "fit/series.parquet")
    assert series["series_id"].tolist() == ["usa"]
    assert series["last_ds"].tolist() == [pd.Timestamp(CUTOFF)]
    assert (folder / "fit/lag_orders.png").read_bytes()[:4] == b"\x89PNG"
    assert len(pd.read_csv(folder / "fit/refused_series.csv")) == 0
    assert len(pd.read_csv(folder / "fit/holdout.csv")) == 12
    # 3 variables, 8 steps and all of them, 2 methods, 6 measures
    assert len(pd.read_parquet(folder / "fit/origins.parquet")) == 3 * 9 * 2 * 6
    names = {path.name for path in (folder / "diagnostics/01-usa").iterdir()}
    assert names == {
        "summary.txt",
        "roots.csv",
        "whiteness.txt",
        "normality.txt",
        "granger_causality.csv",
        "impulse_responses.png",
    }
    theirs = selected(macro_history(), max_lags=8)
    roots = pd.read_csv(folder / "diagnostics/01-usa/roots.csv")
    np.testing.assert_allclose(roots["modulus"], np.abs(theirs.roots), rtol=1e-8)


def broken_fleet():
    """50 random series of ragged lengths, two more with a hole, one that a file contradicts itself about, and six that
    can't be fitted, by id."""
    lengths = np.random.default_rng(7).integers(30, 90, size=50)
    fleet = {f"good-{i:02d}": random_levels(n, seed=i) for i, n in enumerate(lengths)}
    collinear = random_levels(60, seed=101)
    collinear[:, 2] = 3 * collinear[:, 0]
    constant = random_levels(60, seed=102)
    constant[:, 1] = 5.0
    holey = random_levels(60, seed=104)
    holey[::3, 0] = np.nan
    bad = {
        "bad-collinear": collinear,
        "bad-constant": constant,
        "bad-holey": holey,
        "bad-short": random_levels(9, seed=105),
        "bad-contrary": random_levels(1, seed=108),
        "bad-null": np.full((60, 3), np.nan),
    }
    half = random_levels(90, seed=107)
    half[29, 1] = np.nan
    negative = random_levels(60, seed=103)
    negative[10, 0] = -1.0  # breaks a rule of the contract: a hole
    return fleet | bad | {"good-half": half, "good-negative": negative, "good-twice": random_levels(60, seed=106)}


#: The place of the observation that such a series lacks.
HOLES = {"good-half": 29, "good-negative": 10, "good-twice": 20}


def lags_borne(n_levels):
    """The most of up to 3 lags that leave an equation 3 residual degrees of freedom a coefficient and 10 more; its
    sample lacks the first differences and lags."""
    return max(p for p in (1, 2, 3) if n_levels - 1 - p >= 4 * (1 + 3 * p) + 10)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_fleet_is_fitted_but_for_those_that_cannot_be(spark, registry, tmp_path):
    fleet = broken_fleet()
    frame = fleet_frame(fleet)
    contradicted = {"good-twice": HOLES["good-twice"], "bad-contrary": 0}
    twice = pd.concat([frame[frame["series_id"] == name].iloc[[at]] for name, at in contradicted.items()])
    settled = frame[frame["series_id"] == "good-00"].iloc[[5]]
    frame = frame.drop(twice.index).sample(frac=1, random_state=3)
    config = fit_config(tmp_path, registry, model__name="fleet-fit", fit__max_lags=3, fit__holdout=0)
    for number, part in enumerate(np.array_split(np.arange(len(frame)), 3)):
        to_csv(frame.iloc[part], tmp_path / "data" / f"{number}.csv")
    contrary = [twice, twice.assign(realgdp=1.0), settled.assign(realgdp=2.0), settled.assign(realgdp=3.0)]
    to_csv(pd.concat(contrary), tmp_path / "data" / "newest.csv")
    result = fit_var(spark, config, data=[str(tmp_path / "data")], diagnosed=1)

    kinds = {name: reason.split(":")[0] for name, reason in result.fleet.refused}
    assert kinds == {
        "bad-collinear": "collinear",
        "bad-constant": "constant",
        "bad-contrary": "conflict",
        "bad-holey": "too short",
        "bad-null": "no observation has a value for every variable",
        "bad-short": "too short",
    }
    reasons = dict(result.fleet.refused)
    assert "have 19 holes" in reasons["bad-holey"]
    assert reasons["bad-holey"].endswith(
        "observations are missing after 2000-07-01, 2001-04-01, 2002-01-01 and 16 more"
    )
    assert "53 series fitted, 6 refused" in result.outcome
    assert "; 3 series have 3 holes, which leave out " in result.outcome
    assert "; 1 times of 1 series left out, for which a file has different values" in result.outcome
    assert " series are too short for 3 lags and were tried with fewer" in result.outcome
    table = pd.read_csv(artifact(registry, result.run_id, "fit/refused_series.csv"))
    assert dict(zip(table["series_id"], table["reason"], strict=True)) == reasons
    metrics = registry.client.get_run(result.run_id).data.metrics
    assert metrics["rejected_rows"] == 1
    assert not any(name.startswith("holdout_mae") for name in metrics)
    series = pd.read_parquet(artifact(registry, result.run_id, "fit/series.parquet")).set_index("series_id")
    assert series["holes"][series["holes"] > 0].to_dict() == dict.fromkeys(HOLES, 1)
    assert series["conflicts"][series["conflicts"] > 0].to_dict() == {"good-twice": 1}
    assert metrics["conflicts"] == 1
    tried = {name: lags_borne(len(fleet[name])) for name in series.index if name not in HOLES}
    assert series["lags_tried"][list(tried)].to_dict() == tried
    assert metrics["series_with_fewer_lags"] == (series["lags_tried"] < 3).sum() > 10
    # a difference is lost besides the lags
    left_out = series["lag_order"] + 1
    assert series["rows_left_out"].to_dict() == left_out.where(series["holes"] > 0, 0).to_dict()
    assert (metrics["holes"], metrics["series_with_holes"]) == (3, 3)
    assert metrics["rows_left_out"] == series["rows_left_out"].sum()

    place = {name: i for i, name in enumerate(result.fleet.fitted_ids)}
    mlflow.set_registry_uri(registry.uri)
    model = mlflow.pyfunc.load_model(f"models:/fleet-fit/{result.version}")
    assert reasons_by_model(model, [*reasons, "nobody"]) == reasons | {"nobody": None}
    for name in [name for name in fleet if name.startswith("good")]:
        levels = fleet[name]
        keep = np.arange(len(levels)) != HOLES.get(name, -1)
        theirs = (
            looped(levels[keep], np.flatnonzero(keep), max_lags=3, criterion="aic", transforms=("dlog",) * 3)
            if name in HOLES
            else selected(levels, max_lags=lags_borne(len(levels)))
        )
        fit, row = result.fleet.fit, place[name]
        assert fit.lag_order[row] == theirs.k_ar, name
        np.testing.assert_allclose(fit.sigma_u[row], theirs.sigma_u, rtol=1e-8)
        ds = frame.loc[frame["series_id"] == name, "ds"].max()
        answer = model.predict(pd.DataFrame([window(levels, lags=lags_of(model), series_id=name, ds=ds)]))
        truth = level_forecasts(levels[HOLES.get(name, -1) + 1 :], theirs, steps=8)
        for bound, expected in zip(("forecast", "lower", "upper"), truth, strict=True):
            np.testing.assert_allclose(answered(answer, bound), expected, rtol=1e-9, err_msg=name)


def reasons_by_model(model, names):
    """What the model says of series without a forecast: the text that its negative lag order stands for."""
    unknown = np.full((lags_of(model), 3), np.nan)
    rows = [window(unknown, lags=len(unknown), series_id=name, ds="2005-01-01") for name in names]
    known = model.metadata.metadata["penstock_fleet"]["refused_reasons"]
    orders = model.predict(pd.DataFrame(rows))["lag_order"]
    return {name: known[-2 - order] if order < -1 else None for name, order in zip(names, orders, strict=True)}


def test_buckets_do_not_change_the_fit(spark, registry, tmp_path, monkeypatch):
    frame = fleet_frame({f"s{i}": random_levels(60 + i, seed=i) for i in range(12)})
    config = fit_config(tmp_path, registry, fit__max_lags=2, fit__holdout=4, fit__origins=3, fit__season=4)
    observations = spark.createDataFrame(frame.assign(recency=0)).selectExpr(
        "series_id", "ds", "cast(recency AS int) AS recency", *MACRO
    )
    settings = bucket_settings(config, ids_are_integers=False)
    one = fit_series(spark, observations, settings)
    monkeypatch.setattr("penstock.models.training.var_fit.OBSERVATIONS_PER_BUCKET", 100)
    many = fit_series(spark, observations, settings)
    order, of_many = np.argsort(one.fitted_ids), np.argsort(many.fitted_ids)
    assert one.fitted_ids[order].tolist() == many.fitted_ids[of_many].tolist()
    np.testing.assert_array_equal(one.fit.coefficients[order], many.fit.coefficients[of_many])
    np.testing.assert_array_equal(one.last_ds[order], many.last_ds[of_many])
    assert one.scored == many.scored == 12
    np.testing.assert_allclose(one.scores, many.scores, rtol=1e-12)
    steps, of_many = one.evaluation.by_step, many.evaluation.by_step
    np.testing.assert_allclose(steps.sums, of_many.sums, rtol=1e-12)
    np.testing.assert_array_equal(steps.n_forecasts, of_many.n_forecasts)
    assert steps.n_forecasts[0].tolist() == [[12] * 5] * 3
    assert set(one.worker_seconds) == {"arrange", "holdout", "fit"}


@pytest.mark.parametrize(
    ("observations", "series", "buckets"),
    [(0, 0, 1), (20_000, 900, 1), (50_000, 1, 1), (50_000, 9, 4), (10**8, 10**6, 500)],
)
def test_how_many_buckets(observations, series, buckets):
    assert bucket_count(observations, series, cores=4) == buckets


def test_a_job_that_fits_nothing_fails_and_registers_nothing(spark, registry, tmp_path):
    config = fit_config(tmp_path, registry, model__name="none-fit")
    to_csv(fleet_frame({"a": random_levels(9, seed=1)}), tmp_path / "inbox" / "a.csv")
    with pytest.raises(FitError, match=r"no series could be fitted: 0 series fitted, 1 refused: too short 1; for exam"):
        fit_var(spark, config)
    with pytest.raises(FitError, match=r"there is no observation to fit on"):
        fit_var(spark, config, until=datetime(1990, 1, 1))
    assert registry.client.search_registered_models("name = 'none-fit'") == []


def test_settings_that_cannot_be(spark, registry, tmp_path):
    rows = fit_config(tmp_path, registry).model_copy(update={"workload": "rows", "series": None})
    with pytest.raises(ConfigError, match="macro is a pipeline of rows; fit_var is for series"):
        fit_var(spark, rows)
    odd = fit_config(tmp_path, registry)
    odd = odd.model_copy(update={"fit": odd.fit.model_copy(update={"max_lags": -1})})
    with pytest.raises(FitError, match="max_lags -1 is too small"):
        fit_var(spark, odd)


def test_a_model_deeper_than_the_lags_table_is_not_promoted(spark, registry, tmp_path, caplog):
    caplog.set_level("WARNING")
    shallow = fit_config(
        tmp_path, registry, model__name="deep-fit", series__keep_lags=2, fit__criterion="null", fit__max_lags=1
    )
    to_csv(macro_frame(), tmp_path / "inbox" / "a.csv")
    before = fit_var(spark, shallow, diagnosed=0, promote=True)
    assert before.not_promoted is None
    deep = shallow.model_copy(update={"fit": shallow.fit.model_copy(update={"max_lags": 4})})
    result = fit_var(spark, deep, diagnosed=0, promote=True)
    reason = (
        "the model takes 5 observations of a series and series.keep_lags is 2; set series.keep_lags to at least 5, "
        "or fit.max_lags to at most 1"
    )
    assert result.not_promoted == reason
    assert result.outcome.endswith(f"; not promoted: {reason}")
    assert f"version {result.version} must not be promoted: {reason}" in caplog.text
    result.check_promoted("champion", asked=False)
    with pytest.raises(
        FitError, match=f"version {result.version} has the alias candidate, not champion: the model takes"
    ):
        result.check_promoted("champion", asked=True)
    aliases = {
        name: str(registry.client.get_model_version_by_alias("deep-fit", name).version)
        for name in ("candidate", "champion")
    }
    assert aliases == {"candidate": result.version, "champion": before.version}
    assert registry.client.get_run(result.run_id).data.tags["not_promoted"] == reason


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_season_of_the_config_is_in_the_model(spark, registry, tmp_path):
    """From the config to the registered model's forecasts, made five quarters after its fit."""
    config = fit_config(tmp_path, registry, model__name="seasonal-fit", fit__season=4, fit__criterion="null")
    config = config.model_copy(update={"fit": config.fit.model_copy(update={"max_lags": 2})})
    to_csv(macro_frame(), tmp_path / "inbox" / "a.csv")
    result = fit_var(spark, config, until=CUTOFF, diagnosed=0)
    values = np.diff(np.log(macro_frame()[list(MACRO)].to_numpy()), axis=0)
    fitted = len(macro_history()) - 1
    known = fitted + 5
    exog = dummies(4, range(1, known + 9))
    theirs = VAR(values[:fitted], exog=exog[:fitted]).fit(2)
    np.testing.assert_allclose(result.fleet.fit.sigma_u[0], theirs.sigma_u, rtol=1e-8)
    changes = theirs.forecast(values[known - 2 : known], 8, exog_future=exog[known:])
    mlflow.set_registry_uri(registry.uri)
    model = mlflow.pyfunc.load_model(f"models:/{config.model.name}@candidate")
    levels = macro_frame().iloc[: known + 1]
    row = window(levels[list(MACRO)].to_numpy(), lags=lags_of(model), series_id="usa", ds=levels["ds"].iloc[-1])
    found = answered(model.predict(pd.DataFrame([row])), "forecast")
    wanted = levels[list(MACRO)].to_numpy()[-1] * np.exp(np.cumsum(changes, axis=0))
    np.testing.assert_allclose(found, wanted, rtol=1e-8)
    assert registry.client.get_run(result.run_id).data.params["season"] == "4"
