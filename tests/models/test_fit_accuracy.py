"""What a fit says of its accuracy: metrics, tables and log lines."""

import logging

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from fit_sandbox import MACRO, PROJECT, fleet_frame, random_levels

from penstock.config.loading import load_config
from penstock.models.training.var_accuracy import accuracy_metrics, report_accuracy, write_accuracy
from penstock.models.training.var_fit import gather
from penstock.models.training.var_settings import bucket_settings
from penstock.udfs.var.bucket import bucket_fitter
from penstock.udfs.var.holdout import evaluate

MEASURES = ("mae", "rmse", "mase", "rmsse", "coverage", "wis")


def config_of(**fit):
    return load_config([PROJECT / "conf" / "macro.yaml"], overrides=[f"fit.{name}={fit[name]}" for name in fit])


def fitted(config, series):
    """The fleet as Spark's executors would make it, the series divided into two buckets."""
    settings = bucket_settings(config, ids_are_integers=False)
    rows = []
    for names in (sorted(series)[::2], sorted(series)[1::2]):
        frame = fleet_frame({name: series[name] for name in names}).dropna()
        frame["ds"] = frame["ds"].dt.tz_localize("UTC").astype("datetime64[us, UTC]")
        table = pa.Table.from_pandas(frame.assign(recency=np.int32(0)), preserve_index=False)
        rows += bucket_fitter(settings)(table).to_pylist()
    return gather(rows, settings, n_observations=sum(map(len, series.values())))


@pytest.fixture(scope="module")
def series():
    """One of them has a hole in the season before the last origin, where the phase of step 3 would be."""
    made = {f"s{n}": random_levels(n, seed=n) for n in (70, 90, 61, 43)}
    made["s90"][-14] = np.nan
    return made


@pytest.fixture(scope="module")
def config():
    return config_of(max_lags=1, holdout=4, origins=8, origin_every=2, season=12, fourier=1)


@pytest.fixture(scope="module")
def fleet(config, series):
    return fitted(config, series)


def test_the_table_of_origins_is_the_evaluation(tmp_path, config, fleet, series):
    write_accuracy(tmp_path, config, fleet)
    table = pd.read_parquet(tmp_path / "origins.parquet")
    assert len(table) == 3 * (4 + 1) * 3 * 6
    assert table["out_of_sample"].all()
    assert table["step"].isna().sum() == 3 * 3 * 6
    rows = table.set_index(["variable", "step", "method", "measure"])
    assert rows.index.is_unique
    levels = [one[~np.isnan(one).any(axis=1)] for one in series.values()]
    periods = np.concatenate([np.flatnonzero(~np.isnan(one).any(axis=1)) for one in series.values()]) * 1.0
    offsets = np.cumsum([0, *map(len, levels)])
    settings = bucket_settings(config, ids_are_integers=False).fit
    assert settings.season == 12.0
    alone = evaluate(
        np.concatenate(levels), offsets, settings, holdout=4, origins=8, origin_every=2, periods=periods
    ).by_step
    row = rows.loc[("realcons", 3, "seasonal_naive", "wis")]
    assert row["value"] == pytest.approx(alone.means[2, 5, 2, 1], rel=1e-12)
    assert (row["series"], row["forecasts"]) == (alone.n_series[2, 2], alone.n_forecasts[:, 2, 2].sum())
    # a lag, a sine and a cosine take 34 rows, and with a difference 36 observations: s43 has 37 before the second
    # origin and 35 before the next; s90 has no two in succession just before the fifth, whose training part is that of
    # the sixth
    counts = pd.read_csv(tmp_path / "origin_counts.csv")
    assert counts["periods_before_end"].tolist() == [4, 6, 8, 10, 12, 14, 16, 18]
    assert counts["series"].tolist() == alone.series_by_origin.tolist()
    assert counts["series"].tolist() == [4, 4, 3, 3, 3, 2, 3, 3]
    assert rows.loc[("realgdp", 1, "model", "mae"), "origins"] == 8
    assert list(pd.read_csv(tmp_path / "holdout.csv").columns) == [
        "variable",
        "measure",
        "model",
        "naive",
        "seasonal_naive",
    ]


def test_metrics_of_the_last_origin_and_of_all(config, fleet, series):
    found = accuracy_metrics(fleet, config)
    methods = ("", "naive_", "seasonal_naive_")
    assert found.keys() == {
        *(f"holdout_{m}{name}_{v}" for m in methods for name in ("mae", "rmse", "mase", "coverage") for v in MACRO),
        *(f"origins_{m}{name}_{v}" for m in methods for name in MEASURES for v in MACRO),
    }
    means = fleet.evaluation.by_step.means[:, :, -1]
    assert found["origins_naive_wis_realcons"] == means[1, 5, 1]
    assert found["origins_rmsse_realgdp"] == means[0, 3, 0]
    plain = config_of(max_lags=1, holdout=4)
    of_plain = accuracy_metrics(fitted(plain, series), plain)
    assert of_plain.keys() == {name for name in found if name.startswith("holdout_") and "seasonal" not in name}
    of_naive = {name: value for name, value in of_plain.items() if "naive" in name}
    assert {name: found[name] for name in of_naive} == of_naive


def test_the_log_has_the_model_beside_what_it_has_to_beat(config, fleet, caplog):
    caplog.set_level(logging.INFO)
    report_accuracy(fleet, config)
    lines = [record.getMessage() for record in caplog.records]
    means = fleet.evaluation.holdout.means[:, 0, 0]
    assert fleet.evaluation.holdout.counts.tolist() == [4, 4, 3]
    assert lines[:2] == [
        "hold-out of 4 periods, out of sample, mean over 4 series:",
        f"  realgdp mae: {means[0]:.4g}, naive {means[1]:.4g}, seasonal naive {means[2]:.4g} (of 3 series)",
    ]
    counts = ", ".join(map(str, fleet.evaluation.by_step.series_by_origin))
    assert lines[13] == (f"8 origins, out of sample, mean over all steps; series by origin, the last first: {counts}")
    of_all = fleet.evaluation.by_step.means[:, 5, -1, 2]
    assert lines[-1].startswith(
        f"  realinv wis: {of_all[0]:.4g}, naive {of_all[1]:.4g}, seasonal naive {of_all[2]:.4g}"
    )
    assert len(lines) == 1 + 12 + 1 + 18


def test_a_fleet_that_is_too_short_for_a_hold_out_says_so(tmp_path, series, caplog):
    config = config_of(max_lags=1, holdout=80)
    fleet = fitted(config, {"s90": series["s90"]} | {"s70": series["s70"]})
    report_accuracy(fleet, config)
    assert "no hold-out metrics: no series is long enough without its last 80 periods" in caplog.text
    assert accuracy_metrics(fleet, config) == {}
    write_accuracy(tmp_path, config, fleet)
    assert not list(tmp_path.iterdir())


def test_without_a_second_season_there_are_no_seasonal_figures(series):
    config = config_of(max_lags=1, holdout=4, season=100, fourier=1)
    fleet = fitted(config, series)
    assert fleet.scored == 4
    assert not any("seasonal" in name for name in accuracy_metrics(fleet, config))
