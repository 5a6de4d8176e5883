"""Forecasts with exogenous variables in a stream and by REST, with statsmodels' `VAR(endog, exog)` as the truth."""

from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
from deltalake import write_deltalake
from power_cuts import run_cut_off
from pyspark.sql import SparkSession
from sandbox import Sandbox, TestRegistry
from series_sandbox import FITTED, HORIZON, LEVEL, VARIABLES, SeriesSandbox, macro, quarters
from service import predict, service
from statsmodels.tsa.api import VAR

from penstock.udfs.var.fit import fit_fleet
from penstock.udfs.var.fleet_fit import FitSettings
from penstock.udfs.var.fleet_save import fleet_model_parts

NAMES = ("price", "is_holiday")
LAGS = 2
IDS = ("US", "CA")
LEVELS = macro()[list(VARIABLES)].to_numpy()
DATES = macro()["ds"]
Values = np.ndarray[Any, Any]


def known_values(seed: int) -> Values:
    """(203, 2), of every quarter of the macro data."""
    random = np.random.default_rng(seed)
    return np.column_stack([random.normal(10, 2, len(DATES)), random.uniform(size=len(DATES)) < 0.3]).astype(float)


#: Of all series, or of US; and of CA.
PLANNED, OTHER = known_values(1), known_values(2)


def register_varx(registry: TestRegistry, name: str, *of_series: Values) -> str:
    """A VAR(2) of log differences with exogenous variables for each of IDS, on the first quarters; returns its name."""
    if name in registry.made:
        return name
    settings = FitSettings(
        transforms=("dlog",) * 3,
        max_lags=LAGS,
        criterion=None,
        trend="c",
        horizon=HORIZON,
        level=LEVEL,
        exogenous=NAMES,
    )
    n = len(of_series)
    fit = fit_fleet(
        np.tile(LEVELS[:FITTED], (n, 1)),
        np.arange(n + 1) * FITTED,
        settings,
        exogenous=np.concatenate([values[:FITTED] for values in of_series]),
    )
    assert len(fit) == n, fit.refused
    registry.use()
    with (
        fleet_model_parts(fit, ids=list(IDS[:n]), variables=VARIABLES, frequency="QS") as parts,
        mlflow.start_run(),
    ):
        info = mlflow.pyfunc.log_model(name="model", registered_model_name=name, **parts)
    registry.client.set_registered_model_alias(name, "champion", str(info.registered_model_version))
    registry.made.add(name)
    return name


def expected(cutoff: int, future: Values, fitted: Values) -> Values:
    """(HORIZON, 3), statsmodels' forecasts in dollars from quarter `cutoff`. future, fitted: values of all quarters."""
    changes = np.diff(np.log(LEVELS), axis=0)
    result = VAR(changes[: FITTED - 1], exog=fitted[1:FITTED]).fit(LAGS, trend="c")
    after = future[cutoff + 1 : cutoff + 1 + HORIZON]
    path = result.forecast(changes[cutoff - LAGS : cutoff], HORIZON, exog_future=after)
    return np.asarray(LEVELS[cutoff] * np.exp(np.cumsum(path, axis=0)))


def frame_of(values: Values, *, last: int = len(DATES)) -> pd.DataFrame:
    """The values up to quarter `last`, exclusive."""
    return pd.DataFrame(values, columns=NAMES).assign(ds=DATES).iloc[:last]


def write_csv(path: Path, values: Values, *, last: int = len(DATES)) -> None:
    frame_of(values, last=last).to_csv(path, index=False, date_format="%Y-%m-%d")


def check_forecasts(series: SeriesSandbox, future: Values, cutoffs: list[int], fitted: Values, one: str = "US") -> None:
    """Those of a series and some cutoffs are statsmodels'."""
    found = series.forecasts()
    for cutoff in cutoffs:
        mine = found[(found["series_id"] == one) & (found["cutoff"] == DATES[cutoff])]
        paths = mine.pivot_table(index="step", columns="variable", values="forecast")[list(VARIABLES)].to_numpy()
        np.testing.assert_allclose(paths, expected(cutoff, future, fitted), rtol=1e-9, err_msg=f"{one} {cutoff}")


def date_of(quarter: int) -> str:
    return f"{DATES[quarter]:%Y-%m-%d}"


def test_a_batch_has_the_values_that_it_was_planned_with(
    spark: SparkSession,
    registry: TestRegistry,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The file is written over between a crash and the replay, counts for the next batch, and vanishes."""
    path = tmp_path / "known.csv"
    exogenous = {"path": str(path), "columns": list(NAMES)}
    model = register_varx(registry, "macro-varx", PLANNED)
    series = SeriesSandbox(
        Sandbox(root=tmp_path, spark=spark, registry=registry), model, exogenous=exogenous, revisions="first"
    )
    start = FITTED - 4
    # Its values end so that the second batch's last cutoff lacks its last step.
    write_csv(path, PLANNED, last=start + 8 + HORIZON - 1)
    planned = path.read_bytes()
    series.drop("a.csv", quarters(start, start + 4))
    run_cut_off(series.sandbox, monkeypatch, before="pipeline.batch.append_once")
    write_csv(path, OTHER, last=start + 8 + HORIZON - 1)
    [copy] = (tmp_path / "tables" / "_exogenous").iterdir()
    assert copy.read_bytes() == planned
    series.sandbox.run()
    first = [start + 2, start + 3]
    check_forecasts(series, PLANNED, first, PLANNED)

    series.drop("b.csv", quarters(start + 5, start + 8))
    series.drop("c.csv", quarters(start + 4, start + 5))
    series.sandbox.run()
    second = [start + 4, start + 5, start + 6]
    check_forecasts(series, PLANNED, first, PLANNED)
    check_forecasts(series, OTHER, second, PLANNED)
    missing = f"missing_exogenous: price has no value at {date_of(start + 7 + HORIZON)}"
    assert series.errors()["US", date_of(start + 7)] == missing
    assert [row.failed for row in series.sandbox.rows("batches")] == [0, 0]

    path.unlink()
    series.drop("d.csv", quarters(start + 2, start + 3).assign(realgdp=1.0), age_seconds=90_000)
    series.sandbox.run()
    assert "exogenous values can't be read, and those of the last batch are used" in caplog.text
    write_csv(path, OTHER)
    # The old revision loses; all from its quarter on is forecast again, with the values known by then.
    series.sandbox.replay(late=True)
    check_forecasts(series, OTHER, [start + 2, start + 3, *second, start + 7], PLANNED)
    errors = [row.error for row in series.sandbox.rows("observations")]
    assert sorted(map(str, errors)) == ["None"] * 6 + ["superseded"] + ["warming_up"] * 2


def test_series_have_their_own_values_also_by_rest(spark: SparkSession, registry: TestRegistry, tmp_path: Path) -> None:
    """A Delta table; a series without one value has a reason, and the others their forecasts."""
    path = tmp_path / "known"
    exogenous = {"path": str(path), "columns": list(NAMES), "id": "country"}
    model = register_varx(registry, "macro-varx-two", PLANNED, OTHER)
    series = SeriesSandbox(Sandbox(root=tmp_path, spark=spark, registry=registry), model, exogenous=exogenous)
    gap = FITTED + 7
    ca = frame_of(OTHER).assign(country="CA")
    ca.loc[gap, "is_holiday"] = np.nan
    frame = pd.concat([frame_of(PLANNED).assign(country="US"), ca, frame_of(OTHER).assign(country="MARS")])
    write_deltalake(path, frame.sample(frac=1, random_state=0).reset_index(drop=True))
    rows = pd.concat([quarters(FITTED, FITTED + 8, one) for one in IDS])
    series.drop("a.csv", rows)
    series.sandbox.run()
    check_forecasts(series, PLANNED, list(range(FITTED + 2, FITTED + 8)), PLANNED)
    check_forecasts(series, OTHER, [FITTED + 2, FITTED + 7], OTHER, "CA")
    errors = series.errors()
    missing = f"missing_exogenous: is_holiday has no value at {date_of(gap)}"
    assert {errors["CA", date_of(cutoff)] for cutoff in range(gap - HORIZON, gap)} == {missing}
    assert sum(error == missing for error in errors.values()) == HORIZON

    given = rows[["series_id", "ds", *VARIABLES]].assign(ds=rows["ds"].dt.strftime("%Y-%m-%d")).to_dict("records")
    with service(spark, series.sandbox.config()) as client:
        answers = predict(client, model, *given)
        assert [answer.get("error") for answer in answers] == [errors[row["series_id"], row["ds"]] for row in given]
        assert rest_forecasts(given, answers) == pytest.approx(table_forecasts(series), rel=1e-12)
        # One value that is revised, and of a cutoff that is asked for again.
        write_deltalake(path, frame.assign(price=frame["price"] + 1.0).reset_index(drop=True), mode="overwrite")
        [*_, last] = predict(client, model, *given[:8])
    raised = PLANNED + np.array([1.0, 0.0])
    found = [[step["forecast"] for step in last["forecast"] if step["variable"] == v] for v in VARIABLES]
    np.testing.assert_allclose(np.transpose(found), expected(FITTED + 7, raised, PLANNED), rtol=1e-9)


def rest_forecasts(given: list[dict[str, Any]], answers: list[dict[str, Any]]) -> dict[tuple[Any, ...], float]:
    return {
        (row["series_id"], row["ds"], step["step"], step["variable"]): step["forecast"]
        for row, answer in zip(given, answers, strict=True)
        for step in answer.get("forecast", [])
    }


def table_forecasts(series: SeriesSandbox) -> dict[tuple[Any, ...], float]:
    found = series.forecasts()
    keys = zip(
        found["series_id"], found["cutoff"].dt.strftime("%Y-%m-%d"), found["step"], found["variable"], strict=True
    )
    return dict(zip(keys, found["forecast"], strict=True))
