"""Column comments, of new tables and of those that an earlier version made."""

from pathlib import Path

from pyspark.sql import SparkSession
from pyspark.sql.types import StructField, StructType

from penstock.schemas.tables import FORECASTS, TableSpec
from penstock.spark.tables import prepare_table, table_version


def comments(spark: SparkSession, path: str) -> dict[str, str]:
    fields = spark.read.format("delta").load(path).schema.fields
    return {field.name: field.metadata["comment"] for field in fields if "comment" in field.metadata}


def test_a_new_table_has_the_comments_and_is_left_alone(spark: SparkSession, tmp_path: Path) -> None:
    path = str(tmp_path / "forecasts")
    prepare_table(spark, path, FORECASTS)
    assert "median" in comments(spark, path)["forecast"]
    prepare_table(spark, path, FORECASTS)
    assert table_version(spark, path) == 0


def test_a_table_of_an_earlier_version_gets_them(spark: SparkSession, tmp_path: Path) -> None:
    path = str(tmp_path / "forecasts")
    bare = StructType([StructField(field.name, field.dataType) for field in FORECASTS.schema.fields])
    prepare_table(spark, path, TableSpec(name="forecasts", schema=bare))
    assert comments(spark, path) == {}
    prepare_table(spark, path, FORECASTS)
    found = comments(spark, path)
    assert found == {field.name: field.metadata["comment"] for field in FORECASTS.schema.fields if field.metadata}
    assert sorted(found) == ["forecast", "intervals", "level", "lower", "upper"]
