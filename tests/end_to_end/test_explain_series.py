"""penstock explain for a pipeline of series: two versions, exogenous variables, revisions, and a fallback."""

from datetime import UTC, datetime
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
from sandbox import Sandbox
from series_sandbox import FITTED, HORIZON, LEVEL, VARIABLES, SeriesSandbox, macro, quarters

from penstock.operations.explain.explain import Question, explain
from penstock.operations.explain.report import ForecastReport
from penstock.operations.explain.text import as_json, as_text
from penstock.udfs.var.fit import fit_fleet
from penstock.udfs.var.fleet_fit import FitSettings
from penstock.udfs.var.fleet_save import fleet_model_parts

MODEL = "macro-explained"
NAME = "price"
DATES = macro()["ds"]
LEVELS = macro()[list(VARIABLES)].to_numpy()
PRICES = np.random.default_rng(3).normal(10, 2, len(DATES))
TRANSFORMS = dict(zip(VARIABLES, ("dlog", "log", "diff"), strict=True))


def register(sandbox: Sandbox, *, trend: str, season: float) -> None:
    """A VAR(2) with an exogenous variable for US, and the fallback `naive` for all others, as the champion."""
    settings = FitSettings(
        transforms=tuple(TRANSFORMS.values()),
        max_lags=2,
        trend=trend,
        season=season,
        horizon=HORIZON,
        level=LEVEL,
        fallback="naive",
        exogenous=(NAME,),
    )
    fit = fit_fleet(LEVELS[:FITTED], np.array([0, FITTED]), settings, exogenous=PRICES[:FITTED, None])
    assert len(fit) == 1, fit.refused
    sandbox.registry.use()
    last = DATES.to_numpy()[FITTED - 1]
    with (
        fleet_model_parts(
            fit, ids=["US"], variables=VARIABLES, frequency="QS", last_ds=np.array([last]), levels=(0.5,)
        ) as parts,
        mlflow.start_run(),
    ):
        mlflow.log_params({"data_source": "macro.csv", "until": "all"})
        info = mlflow.pyfunc.log_model(name="model", registered_model_name=MODEL, **parts)
    sandbox.registry.client.set_registered_model_alias(MODEL, "champion", str(info.registered_model_version))


@pytest.fixture(scope="module")
def series(shared_sandbox: Sandbox) -> SeriesSandbox:
    """Version 1 (a constant) forecasts US from 20 quarters and MARS, unknown, from 3; version 2 (trend and season) from
    10 more, of which the first revises the quarter before it. Then the exogenous file is written over."""
    sandbox = shared_sandbox
    register(sandbox, trend="c", season=0.0)
    path = sandbox.root / "prices.csv"
    prices = pd.DataFrame({"ds": DATES, NAME: PRICES})
    prices.to_csv(path, index=False, date_format="%Y-%m-%d")
    made = SeriesSandbox(
        sandbox,
        MODEL,
        transform=TRANSFORMS,
        revisions="newest",
        level=[0.5, LEVEL],
        exogenous={"path": str(path), "columns": [NAME]},
    )
    made.drop("a.csv", pd.concat([quarters(FITTED, FITTED + 20), quarters(FITTED, FITTED + 3, "MARS")]), age_seconds=90)
    sandbox.run()
    register(sandbox, trend="ct", season=4.0)
    revised = quarters(FITTED + 19, FITTED + 20).assign(realgdp=12_345.6)
    made.drop("b.csv", pd.concat([revised, quarters(FITTED + 20, FITTED + 30)]))
    sandbox.run()
    prices.assign(**{NAME: 0.0}).to_csv(path, index=False, date_format="%Y-%m-%d")
    return made


def at(quarter: int) -> datetime:
    return DATES[quarter].to_pydatetime().replace(tzinfo=UTC)


def explained(series: SeriesSandbox, quarter: int | None, name: str = "US", **more: Any) -> ForecastReport:
    cutoff = None if quarter is None else at(quarter)
    found = explain(series.sandbox.config(), Question(series=name, cutoff=cutoff, **more))
    assert isinstance(found, ForecastReport)
    return found


def test_try(series):
    print(as_text(explained(series, FITTED + 5)))
    print(as_text(explained(series, None)))
    print(as_text(explained(series, FITTED + 19)))
    print(as_text(explained(series, FITTED + 1, "MARS")))
    print(as_json(explained(series, FITTED + 5))[:500])


def test_try_compare(series):
    from penstock.operations.compare.compare import compare
    from penstock.operations.compare.request import Request
    from penstock.operations.compare.text import as_text as ct

    c = series.sandbox.config()
    try:
        compare(c, Request(versions=("1", "2")))
    except Exception as e:
        print(repr(e))
    import pyarrow as pa
    from deltalake import DeltaTable, write_deltalake

    f = DeltaTable(c.table_path("forecasts")).to_pyarrow_table()
    df = f.to_pandas()
    df = df[(df.model_version == "1")]
    t = f.filter(pa.compute.equal(f["model_version"], "1"))
    t = t.set_column(t.column_names.index("model_version"), "model_version", pa.array(["2"] * len(t)))
    t = t.set_column(t.column_names.index("forecast"), "forecast", pa.compute.multiply(t["forecast"], 1.01))
    write_deltalake(c.table_path("rescored_forecasts"), t)
    print(ct(compare(c, Request(versions=("1", "2")))))
    print(ct(compare(c, Request(versions=("1", "2"), in_sample=True, by=("step",)))))
