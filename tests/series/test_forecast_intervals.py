"""The intervals of several levels as the rows of `forecasts`, from a model's outputs to the questions of queries/."""

from datetime import datetime
from pathlib import Path

import duckdb
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import StructType

from penstock.config.series import SeriesConfig
from penstock.interfaces.sql.duckdb_queries import as_duckdb
from penstock.interfaces.sql.views import QUERIES
from penstock.schemas.tables import FORECASTS, TableSpec
from penstock.series.forecasts import forecast_rows
from penstock.spark.tables import prepare_table

CUTOFF = datetime(2024, 1, 1)
OUTPUTS = {
    "x_forecast_1": 10.0,
    "x_lower_1": 6.0,
    "x_upper_1": 14.0,
    "x_lower_1_50": 9.0,
    "x_upper_1_50": 11.0,
    "x_lower_1_99_5": 2.0,
    "x_upper_1_99_5": 18.0,
}


def rows_at(spark: SparkSession, level: object, outputs: dict[str, float]) -> DataFrame:
    """The rows of one forecast, one step ahead, of one observation; another one has an error."""
    series = SeriesConfig.model_validate({"variables": ["x"], "frequency": "MS", "horizon": 1, "level": level})
    windows = spark.createDataFrame(
        [("q", 0, CUTOFF, name, CUTOFF, error) for name, error in (("a", None), ("b", "gap"))],
        "query_id string, batch_id long, planned_at timestamp, series_id string, ds timestamp, error string",
    )
    scored = F.struct(*[F.lit(value).alias(name) for name, value in outputs.items()])
    model = [F.lit("m").alias("model_name"), F.lit("1").alias("model_version"), F.lit("champion").alias("role")]
    return forecast_rows(windows.withColumn("_scored", scored), series, model=model)


def test_all_levels_are_in_a_row_and_answer_the_questions(spark: SparkSession) -> None:
    outputs = {name: value for name, value in OUTPUTS.items() if "99_5" not in name}
    rows = rows_at(spark, [0.95, 0.5], outputs)
    assert rows.schema == StructType([field for field in rows.schema.fields if field.name in FORECASTS.schema.names])
    [row] = rows.collect()
    assert (row.forecast, row.lower, row.upper, row.level) == (10.0, 6.0, 14.0, 0.95)
    assert [tuple(one) for one in row.intervals] == [(0.5, 9.0, 11.0), (0.95, 6.0, 14.0)]
    assert asked(spark, rows, "forecast_intervals", "level, lower, upper") == [(0.5, 9.0, 11.0), (0.95, 6.0, 14.0)]
    assert asked(spark, rows, "forecast_quantiles", "quantile, value") == [
        *((0.025, 6.0), (0.25, 9.0), (0.5, 10.0), (0.75, 11.0), (0.975, 14.0)),
    ]


def asked(spark: SparkSession, rows: DataFrame, query: str, columns: str) -> list[tuple[float, ...]]:
    """The same by Spark and by DuckDB."""
    sql = (QUERIES / f"{query}.sql").read_text(encoding="utf-8")
    rows.createOrReplaceTempView("forecasts")
    found = [tuple(row) for row in spark.sql(sql).selectExpr(*columns.split(", ")).collect()]
    with duckdb.connect() as connection:
        connection.register("forecasts", rows.toArrow())
        assert connection.sql(as_duckdb(sql)).project(columns).fetchall() == found
    return found


def test_the_largest_level_is_that_of_lower_and_upper(spark: SparkSession) -> None:
    """The model's main level is 0.995 here, so that its outputs have no number in their names."""
    outputs = {name: value for name, value in OUTPUTS.items() if "99_5" not in name}
    [row] = rows_at(spark, [0.5, 0.995], outputs).collect()
    assert row.level == 0.995
    assert [tuple(one) for one in row.intervals] == [(0.5, 9.0, 11.0), (0.995, 6.0, 14.0)]


def test_a_table_of_an_earlier_version_gets_the_column_and_keeps_its_rows(spark: SparkSession, tmp_path: Path) -> None:
    path = str(tmp_path / "forecasts")
    earlier = StructType([field for field in FORECASTS.schema.fields if field.name != "intervals"])
    prepare_table(spark, path, TableSpec(name="forecasts", schema=earlier, cluster_by=FORECASTS.cluster_by))
    single = rows_at(spark, 0.95, {name: OUTPUTS[name] for name in ("x_forecast_1", "x_lower_1", "x_upper_1")})
    assert [row.intervals for row in single.collect()] == [None]
    single.drop("intervals").write.format("delta").mode("append").save(path)
    prepare_table(spark, path, FORECASTS)
    rows_at(spark, [0.5, 0.95], OUTPUTS).write.format("delta").mode("append").save(path)
    found = spark.read.format("delta").load(path)
    assert found.schema["intervals"].dataType == FORECASTS.schema["intervals"].dataType
    assert sorted((row.lower, row.intervals is None) for row in found.collect()) == [(6.0, False), (6.0, True)]
