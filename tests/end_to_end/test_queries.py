"""The queries and views for BI: Spark and DuckDB give the same rows, and the numbers are those counted by hand."""

import math
import shutil
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from dashboard_tables import MACRO_CONF, WINE_CONF, WrittenTables, evaluated, minutes, quarter
from deltalake import write_deltalake
from pyspark.sql import SparkSession
from pyspark.sql.pandas.types import to_arrow_schema
from sandbox import WINE, WINE_SCORE, Sandbox, TestRegistry, csv_file, wine
from series_sandbox import FITTED, HORIZON, REFUSED, VARIABLES, SeriesSandbox, macro, quarters, two_series_model

from penstock.errors import ConfigError, EnvironmentCheckError
from penstock.interfaces.sql.duckdb_queries import connect_duckdb, run_duckdb_query
from penstock.interfaces.sql.query_files import query_names
from penstock.interfaces.sql.server import has_new_tables, make_schemas
from penstock.interfaces.sql.spark_queries import make_schema, run_query
from penstock.interfaces.sql.views import views_of
from penstock.schemas import tables as specs
from penstock.schemas.wine import CONTRACT

EVALUATION_QUERIES = ("coverage_by_version", "loss_by_version", "experiment_by_day", "decisions_newest_first")
COMMON_QUERIES = ("latency_per_batch", "quarantine_by_reason", *EVALUATION_QUERIES)
LABELS_QUERIES = ("labels_by_outcome",)
ROWS_QUERIES = ("predictions_per_hour", "error_rate_by_version", *COMMON_QUERIES)
SERIES_QUERIES = (
    "forecast_accuracy",
    "forecast_intervals",
    "forecast_quantiles",
    "latest_forecast",
    "observations_by_outcome",
    "series_without_forecast",
    *COMMON_QUERIES,
)
COMMON_VIEWS = ("quarantine_by_reason", "batch_health", "model_performance", "experiment_pairs")
BESIDE = {"candidate": "9", "candidate_loss": 80.0, "compared_champion_loss": 90.0, "compared_pairs": 10}
DECISION = {
    "query_id": "decide",
    "batch_id": 0,
    "kind": "propose",
    "outcome": "done",
    "champion": "1",
    "candidate": "9",
    "decided_by": "stream",
    "reason": "it is better",
    "decided_at": minutes(0),
    "done_at": minutes(1),
}
ROWS_VIEWS = ("predictions_ok", *COMMON_VIEWS)
SERIES_VIEWS = ("latest_forecast", "forecast_vs_actual", *COMMON_VIEWS)
DATES = macro()["ds"]


@pytest.fixture(scope="module")
def rows(spark: SparkSession, registry: TestRegistry, tmp_path_factory: pytest.TempPathFactory) -> Sandbox:
    """Two batches. a.csv: two rows with a score, one that the model fails on, three in quarantine, one of them for two
    reasons; b.csv is empty. c.csv: one row with a score."""
    sandbox = Sandbox(root=tmp_path_factory.mktemp("rows"), spark=spark, registry=registry)
    sandbox.changes = {"model": {"name": registry.wine_model("fussy")}, "pipeline": "red-wine"}
    bad = [wine(alcohol="abc"), wine(alcohol="xyz"), wine(alcohol="abc", density="thin")]
    sandbox.drop("a.csv", csv_file(WINE, WINE, wine(alcohol=15), *bad))
    sandbox.drop("b.csv", b"")
    sandbox.run()
    sandbox.drop("c.csv", csv_file(WINE))
    sandbox.run()
    of_rows = {"loss": "absolute", "variable": None, "step": None, "naive_abs": None, "champion_within": 0}
    written = WrittenTables(sandbox.root, WINE_CONF)
    written.append("evaluations", *[evaluated("1", unit=minutes(1440 * day), **of_rows) for day in range(3)])
    # Before the config was changed.
    written.append(
        "evaluations", evaluated("1", unit=minutes(0), **of_rows | {"loss": "squared", "champion_loss": 90.0} | BESIDE)
    )
    written.append("decisions", DECISION)
    return sandbox


@pytest.fixture(scope="module")
def labels(rows: Sandbox) -> Sandbox:
    """Four labels, of which two count."""
    spec = specs.labels(CONTRACT, key=("density",))
    values = [(None, "a.csv"), (None, "a.csv"), ("revision", "b.csv"), ("conflict", "b.csv")]
    columns = to_arrow_schema(spec.schema, timezone="UTC")
    made = [
        {**dict.fromkeys(columns.names), "error": error, "source_file": file, "labelled_at": minutes(number)}
        for number, (error, file) in enumerate(values)
    ]
    write_deltalake(f"{rows.root}/tables/labels", pa.Table.from_pylist(made, columns))
    return rows


@pytest.fixture(scope="module")
def many(spark: SparkSession, registry: TestRegistry, tmp_path_factory: pytest.TempPathFactory) -> Sandbox:
    """US: ten quarters, the investment of the last one tenfold. CA: four, then the first again; a line of no series.
    MARS and MOON: one each, which have no model; the fit refused the latter."""
    sandbox = Sandbox(root=tmp_path_factory.mktemp("many"), spark=spark, registry=registry)
    series = SeriesSandbox(sandbox, two_series_model(registry))
    us = quarters(FITTED, FITTED + 10)
    us.loc[FITTED + 9, "realinv"] *= 10
    without = [quarters(FITTED, FITTED + 1, name) for name in ("MARS", "MOON")]
    series.drop("a.csv", pd.concat([us, quarters(FITTED, FITTED + 4, "CA"), *without]))
    sandbox.run()
    again = quarters(FITTED, FITTED + 1, "CA").assign(realgdp=1.0)
    series.drop("b.csv", pd.concat([again, quarters(FITTED, FITTED + 1).assign(series_id=None)]))
    sandbox.run()
    written = WrittenTables(sandbox.root, MACRO_CONF)
    written.append(
        "evaluations",
        *[evaluated("1", unit=quarter(number), pairs=10 * number, naive_abs=None) for number in (1, 2)],
        evaluated(
            "2",
            unit=quarter(2),
            champion_abs=30.0,
            naive_abs=15.0,
            champion_failed=4,
            scored_pairs=5,
            champion_within=4,
        ),
        evaluated("2", unit=quarter(2), step=2, champion_loss=None, scored_pairs=0, **BESIDE),
        evaluated("2", unit=quarter(2), is_final=True),
    )
    written.append("decisions", DECISION)
    return sandbox


def comparable(value: Any) -> Any:
    """One spelling of what the two give: moments as UTC without a zone, maps as pairs, structs as values."""
    if isinstance(value, datetime):
        return pd.Timestamp(value).tz_localize(None) if value.tzinfo is None else pd.Timestamp(value).tz_convert(None)
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, dict):
        return sorted(value.items())
    if isinstance(value, float) and math.isnan(value):
        return None
    return value


def sorted_rows(rows: Iterable[Iterable[Any]]) -> list[list[Any]]:
    return sorted(([comparable(value) for value in row] for row in rows), key=lambda row: [str(v)[:12] for v in row])


def assert_same(found: list[list[Any]], expected: list[list[Any]]) -> None:
    assert len(found) == len(expected) > 0
    for mine, theirs in zip(found, expected, strict=True):
        for one, other in zip(mine, theirs, strict=True):
            is_number = isinstance(one, float) and isinstance(other, float)
            assert one == (pytest.approx(other, rel=1e-12) if is_number else other)


def spark_rows(frame: Any) -> tuple[list[str], list[list[Any]]]:
    return frame.columns, sorted_rows(frame.collect())


def arrow_rows(table: Any) -> tuple[list[str], list[list[Any]]]:
    """Maps come as pairs."""
    rows = table.to_pylist(maps_as_pydicts="strict")
    return table.column_names, sorted_rows([list(row.values()) for row in rows])


def test_every_query_is_tested() -> None:
    assert query_names() == sorted({*ROWS_QUERIES, *SERIES_QUERIES, *LABELS_QUERIES})


@pytest.mark.parametrize(
    ("pipeline", "name"),
    [
        *[("rows", name) for name in ROWS_QUERIES],
        *[("many", name) for name in SERIES_QUERIES],
        *[("labels", name) for name in LABELS_QUERIES],
    ],
)
def test_duckdb_answers_a_query_as_spark_does(request: pytest.FixtureRequest, pipeline: str, name: str) -> None:
    sandbox: Sandbox = request.getfixturevalue(pipeline)
    config = sandbox.config()
    if pipeline == "labels":
        config = config.model_copy(update={"workload": "labels"})
    columns, found = arrow_rows(run_duckdb_query(config, name))
    expected_columns, expected = spark_rows(run_query(sandbox.spark, config, name))
    assert columns == expected_columns
    assert_same(found, expected)


@pytest.mark.parametrize(("pipeline", "names"), [("rows", ROWS_VIEWS), ("many", SERIES_VIEWS)])
def test_duckdb_shows_a_view_as_spark_does(
    request: pytest.FixtureRequest, pipeline: str, names: tuple[str, ...]
) -> None:
    sandbox: Sandbox = request.getfixturevalue(pipeline)
    config = sandbox.config()
    tables = make_schema(sandbox.spark, config)
    assert {view.name for view in views_of(config, tables)} == set(names)
    schema = {"rows": "red_wine", "many": "macro"}[pipeline]
    with connect_duckdb(config) as connection:
        for name in names:
            columns, found = arrow_rows(connection.sql(f"SELECT * FROM {name}").to_arrow_table())
            expected_columns, expected = spark_rows(sandbox.spark.table(f"{schema}.{name}"))
            assert columns == expected_columns
            assert_same(found, expected)


def test_tables_of_an_earlier_version_have_nulls_for_what_they_lack(many: Sandbox, tmp_path: Path) -> None:
    """Until their stream starts once more, and adds the columns."""
    spark, tables = many.spark, tmp_path / "tables"
    shutil.copytree(many.root / "tables", tables)
    earlier = spark.read.format("delta").load(str(many.root / "tables" / "batches")).drop("fitted_until")
    earlier.write.format("delta").mode("overwrite").option("overwriteSchema", True).save(str(tables / "batches"))
    config = replace(many, changes={**many.changes, "tables": {"root": str(tables)}, "pipeline": "earlier"}).config()
    make_schema(spark, config)
    accuracy = run_query(spark, config, "forecast_accuracy").collect()
    compared = spark.table("earlier.forecast_vs_actual").collect()
    assert {row.in_sample for row in (*accuracy, *compared)} == {None}
    known = run_query(spark, many.config(), "forecast_accuracy").collect()
    assert [(row.step, row.forecasts_compared) for row in accuracy] == [
        (row.step, row.forecasts_compared) for row in known
    ]
    with connect_duckdb(config) as connection:
        found = connection.execute("SELECT DISTINCT in_sample FROM forecast_vs_actual").fetchall()
    assert found == [(None,)]
    spark.sql(f"ALTER TABLE delta.`{tables}/batches` ADD COLUMNS (fitted_until timestamp)")
    assert spark.table("earlier.forecast_vs_actual").count() == len(compared)


def test_a_schema_is_completed_when_tables_have_come(sandbox: Sandbox) -> None:
    sandbox.changes = {"pipeline": "grows"}
    assert make_schema(sandbox.spark, sandbox.config()) == frozenset()
    # The session's temporary views are listed in every schema.
    assert [row.tableName for row in sandbox.spark.sql("SHOW TABLES IN grows").where("NOT isTemporary").collect()] == []
    sandbox.drop("a.csv", csv_file(WINE))
    sandbox.run()
    assert make_schema(sandbox.spark, sandbox.config()) == {"predictions", "quarantine", "batches"}
    [row] = sandbox.spark.table("grows.predictions_ok").collect()
    assert row.prediction == pytest.approx(WINE_SCORE)
    # Evaluations come later, if at all: the server does not wait for them, and shows them when they are there.
    known = make_schemas(sandbox.spark, [sandbox.config()])
    assert not has_new_tables(sandbox.spark, sandbox.config(), known)
    WrittenTables(sandbox.root, WINE_CONF).append("evaluations", evaluated("1", unit=minutes(0)))
    assert has_new_tables(sandbox.spark, sandbox.config(), known)
    known = make_schemas(sandbox.spark, [sandbox.config()])
    assert known == {"grows": {"predictions", "quarantine", "batches", "evaluations"}}
    assert [row.pairs for row in sandbox.spark.table("grows.model_performance").collect()] == [10]
    assert not has_new_tables(sandbox.spark, sandbox.config(), known)


def test_the_numbers_of_rows_are_those_counted_by_hand(rows: Sandbox) -> None:
    config = rows.config()
    hours = run_duckdb_query(config, "predictions_per_hour").to_pylist()
    assert (sum(hour["rows_scored"] for hour in hours), sum(hour["rows_failed"] for hour in hours)) == (4, 1)
    reasons = run_duckdb_query(config, "quarantine_by_reason").to_pylist()
    assert [(one["stage"], one["reason"], one["rows_quarantined"], one["files"]) for one in reasons] == [
        ("contract", "alcohol: '...' is not a double", 3, 1),
        ("contract", "density: '...' is not a double", 1, 1),
        ("file", "file: is empty (0 bytes)", 1, 1),
    ]
    [version] = run_duckdb_query(config, "error_rate_by_version").to_pylist()
    assert (version["error_rate"], version["most_frequent_error"]) == (0.25, "ValueError: this is no table wine")
    with connect_duckdb(config) as connection:
        scores = connection.execute("SELECT prediction FROM predictions_ok").fetchall()
        health = connection.execute(
            "SELECT files, files_refused, rows_in, accepted, quarantined, failed, share_quarantined, share_failed,"
            " model_version, versions_refused FROM batch_health ORDER BY started_at"
        ).fetchall()
    assert scores == [(9.4,)] * 3
    version_number = version["model_version"]
    assert health == [
        (2, 1, 6, 3, 3, 1, 0.5, pytest.approx(1 / 3), version_number, 0),
        (1, 0, 1, 1, 0, 0, 0.0, 0.0, version_number, 0),
    ]
    for batch in run_duckdb_query(config, "latency_per_batch").to_pylist():
        assert 0 < batch["predictions_seconds"] < batch["seconds"]
        assert batch["forecasts_seconds"] is None


def test_the_numbers_of_series_are_those_counted_by_hand(many: Sandbox) -> None:
    """Three quarters make a forecast of four: US has cutoffs 2..9, of which 2..5 meet four quarters that came, 6 three,
    7 two, 8 one; of CA's 2 and 3 one meets one. The tenfold investment was forecast at the cutoffs 5..8."""
    with connect_duckdb(many.config()) as connection:
        compared = connection.execute("SELECT * FROM forecast_vs_actual").df()
        newest = connection.execute("SELECT DISTINCT series_id, cutoff FROM latest_forecast").df()
        count = connection.execute("SELECT count(*) FROM latest_forecast").fetchall()
    assert len(compared) == (4 * 4 + 3 + 2 + 1 + 1) * len(VARIABLES)
    levels = macro().set_index("ds")
    levels.loc[DATES[FITTED + 9], "realinv"] *= 10
    times = compared["ds"].dt.tz_convert(None)
    truth = [levels.loc[ds, variable] for ds, variable in zip(times, compared["variable"], strict=True)]
    assert list(compared["actual"]) == truth
    assert list(compared["error"]) == pytest.approx(list(compared["forecast"] - truth))
    inside = [low <= one <= high for low, one, high in zip(compared["lower"], truth, compared["upper"], strict=True)]
    assert list(compared["is_within"]) == inside
    assert inside.count(False) == 4
    # The model was fitted on what came before all cutoffs.
    assert {row.fitted_until.replace(tzinfo=None) for row in many.rows("batches")} == {DATES[FITTED - 1]}
    assert set(compared["in_sample"]) == {False}
    cutoffs = dict(zip(newest["series_id"], newest["cutoff"].dt.tz_convert(None), strict=True))
    assert cutoffs == {"US": DATES[FITTED + 9], "CA": DATES[FITTED + 3]}
    assert count == [(2 * HORIZON * len(VARIABLES),)]
    outcomes = run_duckdb_query(many.config(), "observations_by_outcome").to_pylist()
    assert {row["outcome"]: row["observations"] for row in outcomes} == {
        "forecast made": 10,
        "warming_up": 4,
        "revision": 1,
        "unknown_series": 1,
        "refused_by_fit: too short": 1,
    }
    without = run_duckdb_query(many.config(), "series_without_forecast").to_pylist()
    assert [(row["series_id"], row["observations"], row["last_error"]) for row in without] == [
        ("MARS", 1, "unknown_series"),
        ("MOON", 1, f"refused_by_fit: {REFUSED}"),
    ]


def test_the_numbers_of_evaluations_are_those_counted_by_hand(many: Sandbox) -> None:
    losses = run_duckdb_query(many.config(), "loss_by_version").to_pylist()
    shown = ("model_version", "step", "pairs", "mean_loss", "mean_absolute_error", "ratio_to_naive")
    found = [tuple(row[name] for name in shown) for row in losses]
    assert found == [
        ("1", 1, 10, 0.5, 3.0, None),
        ("1", 1, 20, 0.5, 3.0, None),
        ("2", 1, 10, 1.0, 5.0, 2.0),
        ("2", 2, 10, None, 3.0, 0.75),
    ]
    assert [row["day"] for row in losses] == [quarter(1), quarter(2), quarter(2), quarter(2)]
    coverage = run_duckdb_query(many.config(), "coverage_by_version").to_pylist()
    assert [(row["model_version"], row["step"], row["interval_coverage"]) for row in coverage] == [
        ("1", 1, 0.9),
        ("2", 1, 0.8),
        ("2", 2, None),
    ]
    assert (coverage[0]["mean_delay_seconds"], coverage[0]["last_unit"]) == (60.0, quarter(2))


def test_rows_have_no_coverage(rows: Sandbox) -> None:
    found = run_duckdb_query(rows.config(), "coverage_by_version").to_pylist()
    assert [(row["loss_name"], row["scored_pairs"], row["interval_coverage"]) for row in found] == [
        ("absolute", 30, None),
        ("squared", 10, None),
    ]


def test_losses_of_two_names_are_not_added(rows: Sandbox) -> None:
    losses = run_duckdb_query(rows.config(), "loss_by_version").to_pylist()
    found = [((row["day"] - minutes(0)).days, row["loss_name"], row["mean_loss"]) for row in losses]
    assert found == [(-1, "absolute", 0.5), (-1, "squared", 9.0), (0, "absolute", 0.5), (1, "absolute", 0.5)]


def test_what_can_t_be_asked_is_told_with_what_to_do(sandbox: Sandbox) -> None:
    config = sandbox.config()
    with pytest.raises(ConfigError, match="no query 'latest_forcast' in queries/; did you mean 'latest_forecast'"):
        run_duckdb_query(config, "latest_forcast")
    with pytest.raises(ConfigError, match="asks for latest_forecast, which a pipeline of rows has not"):
        run_duckdb_query(config, "latest_forecast")
    missing = "needs the table quarantine, which is not in .*/tables yet; run the pipeline wine first"
    with pytest.raises(EnvironmentCheckError, match=missing):
        run_duckdb_query(config, "quarantine_by_reason")
    with pytest.raises(EnvironmentCheckError, match=missing):
        run_query(sandbox.spark, config, "quarantine_by_reason")
    made = "needs the table evaluations, which is not in .*/tables yet; penstock evaluate makes it"
    with pytest.raises(EnvironmentCheckError, match=made):
        run_duckdb_query(config, "loss_by_version")
    with pytest.raises(ConfigError, match="asks for labels, which a pipeline of rows has not"):
        run_duckdb_query(config, "labels_by_outcome")
