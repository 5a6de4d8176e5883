"""Observations without a VAR forecast in a pipeline whose model has the fallback `naive`, with NumPy as the truth."""

from dataclasses import dataclass

import mlflow
import numpy as np
import pandas as pd
import pytest
from pyspark.sql import SparkSession
from reconciliations import kinds, reconciled
from sandbox import Sandbox, TestRegistry
from series_sandbox import (
    FITTED,
    HORIZON,
    REFUSED,
    VARIABLES,
    SeriesSandbox,
    expected_forecasts,
    macro,
    quarters,
    register_fleet,
)
from service import predict, service

from penstock.interfaces.sql.duckdb_queries import run_duckdb_query
from penstock.pipeline.batch_record import BatchRecord

DATES = macro()["ds"]
Z = 1.959963984540054


@dataclass(frozen=True)
class Fallbacks:
    series: SeriesSandbox
    records: list[BatchRecord]


@pytest.fixture(scope="module")
def fallbacks(spark: SparkSession, registry: TestRegistry, tmp_path_factory: pytest.TempPathFactory) -> Fallbacks:
    """US: four quarters. CA: after two quarters and a hole one more; the hole is filled in the second batch. MOON: the
    fit refused it. MARS: unknown, two quarters, of which the first is revised in the second batch. NULL: unknown, and
    its only quarter lacks investment."""
    register_fleet(registry, "macro-naive", ids=("US", "CA"), refused=(("MOON", REFUSED),), fallback="naive")
    sandbox = Sandbox(root=tmp_path_factory.mktemp("fallback"), spark=spark, registry=registry)
    series = SeriesSandbox(sandbox, "macro-naive", revisions="newest")
    given = [
        quarters(FITTED, FITTED + 4),
        quarters(FITTED, FITTED + 2, "CA"),
        quarters(FITTED + 3, FITTED + 4, "CA"),
        quarters(FITTED, FITTED + 1, "MOON"),
        quarters(FITTED, FITTED + 2, "MARS"),
        quarters(FITTED, FITTED + 1, "NULL").assign(realinv=np.nan),
    ]
    series.drop("a.csv", pd.concat(given))
    records = sandbox.run()
    revised = quarters(FITTED, FITTED + 1, "MARS").assign(realgdp=1.0)
    series.drop("b.csv", pd.concat([quarters(FITTED + 2, FITTED + 3, "CA"), revised]))
    return Fallbacks(series=series, records=records + sandbox.run())


def test_errors_keep_the_reason(fallbacks: Fallbacks) -> None:
    rows = fallbacks.series.sandbox.rows("observations")
    warm = "fallback: warming_up"
    assert sorted(
        ((row.series_id, row.ds, row.error) for row in rows), key=lambda one: (one[0], one[1], str(one[2]))
    ) == [
        ("CA", DATES[FITTED], warm),
        ("CA", DATES[FITTED + 1], warm),
        ("CA", DATES[FITTED + 2], "inserted"),
        ("CA", DATES[FITTED + 3], "fallback: gap"),
        ("MARS", DATES[FITTED], "fallback: unknown_series"),
        ("MARS", DATES[FITTED], "revised"),
        ("MARS", DATES[FITTED + 1], "fallback: unknown_series"),
        ("MOON", DATES[FITTED], f"fallback: refused_by_fit: {REFUSED}"),
        ("NULL", DATES[FITTED], "unknown_series"),
        ("US", DATES[FITTED], warm),
        ("US", DATES[FITTED + 1], warm),
        ("US", DATES[FITTED + 2], None),
        ("US", DATES[FITTED + 3], None),
    ]


def test_roles_tell_the_forecasts_apart(fallbacks: Fallbacks) -> None:
    """The filled hole gives CA's newest cutoff a forecast of its VAR; what was made before stays. MARS gets none again,
    since its newest level is the same."""
    rows = fallbacks.series.sandbox.rows("forecasts")
    assert {(row.model_name, row.model_version, row.level) for row in rows} == {("macro-naive", "1", 0.95)}
    found = pd.Series([(row.series_id, list(DATES).index(row.cutoff) - FITTED, row.role) for row in rows])
    each = HORIZON * len(VARIABLES)
    assert found.value_counts().to_dict() == {
        **{("US", number, "fallback"): each for number in (0, 1)},
        **{("US", number, "champion"): each for number in (2, 3)},
        **{("CA", number, "fallback"): each for number in (0, 1, 3)},
        ("CA", 3, "champion"): each,
        ("MOON", 0, "fallback"): each,
        **{("MARS", number, "fallback"): each for number in (0, 1)},
    }


def test_numbers_are_those_of_a_random_walk_in_logs(fallbacks: Fallbacks) -> None:
    """Both fitted series are the same quarters, so that each one's spread, and the fleet's, is that of these."""
    spread = np.sqrt(np.mean(np.diff(np.log(macro()[list(VARIABLES)].to_numpy()[:FITTED]), axis=0) ** 2, axis=0))
    for row in fallbacks.series.sandbox.rows("forecasts"):
        cutoff, variable = list(DATES).index(row.cutoff), VARIABLES.index(row.variable)
        assert row.ds == DATES[cutoff + row.step]
        if row.role == "champion":
            expected = [
                expected_forecasts(cutoff=cutoff)[b][row.step - 1, variable] for b in ("forecast", "lower", "upper")
            ]
        else:
            level, factor = macro()[row.variable][cutoff], np.exp(Z * spread[variable] * np.sqrt(row.step))
            expected = [level, level / factor, level * factor]
        np.testing.assert_allclose([row.forecast, row.lower, row.upper], expected, rtol=1e-10)


def test_counts_add_up(fallbacks: Fallbacks) -> None:
    """8 of 11 observations have a fallback, and one nothing; only US has a forecast of its own."""
    first, second = (record.forecasts for record in fallbacks.records)
    assert first is not None
    assert second is not None
    assert first.without_forecast == {"fallback": 8, "unknown_series": 1}
    assert fallbacks.records[0].with_forecast == 2
    assert (first.series.series, first.series.without_forecast) == (5, 4)
    assert second.without_forecast == {"inserted": 1, "revised": 1}
    assert [(record.accepted, record.failed) for record in fallbacks.records] == [(11, 0), (2, 0)]
    assert kinds(reconciled(fallbacks.series.sandbox)) == []


def test_accuracy_is_by_role(fallbacks: Fallbacks) -> None:
    config = fallbacks.series.sandbox.config()
    accuracy = run_duckdb_query(config, "forecast_accuracy").to_pylist()
    levels = macro()["realgdp"].to_numpy()[FITTED : FITTED + 4]
    [naive] = [row for row in accuracy if (row["variable"], row["step"], row["role"]) == ("realgdp", 1, "fallback")]
    # US after its first two quarters, CA after its first two as well; MARS after its first one.
    errors = np.abs(np.diff(levels))[[0, 1, 0, 1, 0]]
    assert (naive["forecasts_compared"], naive["mean_absolute_error"]) == (5, pytest.approx(errors.mean(), rel=1e-12))
    outcomes = {
        row["outcome"]: row["observations"] for row in run_duckdb_query(config, "observations_by_outcome").to_pylist()
    }
    assert outcomes["fallback: refused_by_fit: too short"] == 1
    assert outcomes["fallback: warming_up"] == 4
    latest = run_duckdb_query(config, "latest_forecast").to_pylist()
    assert {(row["series_id"], row["role"]) for row in latest} == {
        ("US", "champion"),
        ("CA", "champion"),
        ("MOON", "fallback"),
        ("MARS", "fallback"),
    }


def test_model_and_service_give_the_same_numbers(fallbacks: Fallbacks) -> None:
    sandbox = fallbacks.series.sandbox
    [row] = [
        row for row in sandbox.rows("forecasts") if (row.series_id, row.step, row.variable) == ("MOON", 2, "realcons")
    ]
    levels = quarters(FITTED, FITTED + 1).iloc[0][list(VARIABLES)].to_dict()
    lags = {f"{name}_lag{lag}": levels[name] if lag == 0 else np.nan for lag in range(3) for name in VARIABLES}
    sandbox.registry.use()
    model = mlflow.pyfunc.load_model("models:/macro-naive/1")
    found = model.predict(pd.DataFrame([{"series_id": "MOON", "ds": DATES[FITTED], **lags}])).iloc[0]
    assert (found["method"], found["lag_order"], found["needed"]) == (1, -2, 0)
    bounds = ("forecast", "lower", "upper")
    assert [found[f"realcons_{bound}_2"] for bound in bounds] == [row[bound] for bound in bounds]
    with service(sandbox.spark, sandbox.config()) as client:
        [answer] = predict(client, "macro-naive", {"series_id": "MOON", "ds": f"{DATES[FITTED]:%Y-%m-%d}", **levels})
    assert answer["error"] == f"fallback: refused_by_fit: {REFUSED}"
    [step] = [one for one in answer["forecast"] if (one["step"], one["variable"]) == (2, "realcons")]
    assert [step[bound] for bound in bounds] == [row[bound] for bound in bounds]
