"""The Spark session of the tests: its settings, and what of its work is done once in place of in every test."""

import json
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from py4j.java_gateway import JVMView
from pyspark.sql import SparkSession

import penstock.spark.tables
from penstock.schemas.tables import TableSpec

FAST_SPARK = {
    "spark.master": "local[2]",
    # A session lives through all the tests of its process; in the default of 1 GB it collects garbage in vain.
    "spark.driver.memory": "2g",
    # Short-lived code: what the second compiler gains it never earns back. Without it Java has room for 48 MB of
    # compiled code, which is full after some hundred tests: methods are then thrown out and compiled again, for ever.
    "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC -XX:ReservedCodeCacheSize=256m",
    # Every query here is new and small: compiling it takes longer than interpreting it, and planning it again between
    # its stages longer than running it. The tests of the jobs as processes do both.
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    "spark.sql.adaptive.enabled": "false",
    "spark.databricks.delta.snapshotPartitions": "1",
    "spark.ui.enabled": "false",
    "spark.sql.shuffle.partitions": "2",
    "spark.sql.warehouse.dir": str(Path(tempfile.gettempdir()) / "penstock-tests-warehouse"),
}

COMPILING = {"spark.sql.codegen.wholeStage": "true", "spark.sql.codegen.factoryMode": "CODEGEN_ONLY"}


@contextmanager
def classes_looked_up_once() -> Iterator[None]:
    """Meanwhile, each Java class is looked up once by its name. py4j asks the JVM for `functions` whenever a column is
    made: 2,000 times in a micro-batch of a series, which is a tenth of its time."""
    look_up, classes = JVMView.__getattr__, dict[tuple[int, str], object]()

    def find(view: JVMView, name: str) -> object:
        key = (id(view), name)
        if key not in classes:
            classes[key] = look_up(view, name)
        return classes[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(JVMView, "__getattr__", find)
        yield


@contextmanager
def tables_from_templates(folder: Path) -> Iterator[None]:
    """Meanwhile, an empty table on the local disk is made once for each spec, and copied from then on."""
    make, templates = penstock.spark.tables.create_table, dict[str, Path]()

    def create_table(spark: SparkSession, path: str, spec: TableSpec) -> None:
        if "://" in path or Path(path).exists():
            make(spark, path, spec)
            return
        key = f"{spec.schema.json()} {spec.cluster_by} {spec.statistics} {sorted(spec.properties.items())}"
        if key not in templates:
            template = folder / str(len(templates))
            make(spark, str(template), spec)
            templates[key] = template
        copy_table(templates[key], Path(path))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(penstock.spark.tables, "create_table", create_table)
        yield


def copy_table(template: Path, path: Path) -> None:
    """As a table of its own: with another id, and made now."""
    log, made = template / "_delta_log", path / "_delta_log"
    one, other = table_id(log), str(uuid.uuid4())
    made.mkdir(parents=True)
    for file in log.iterdir():
        # A checksum beside a file holds for its old content; none does no harm.
        if file.is_file() and not file.name.startswith("."):
            (made / file.name).write_text(file.read_text().replace(one, other))


def table_id(log: Path) -> str:
    [commit] = log.glob("*.json")
    [line] = [line for line in commit.read_text().splitlines() if line.startswith('{"metaData":')]
    return str(json.loads(line)["metaData"]["id"])
