"""What the tests share: one Spark session, one MLflow registry with small models, and a sandbox for a pipeline."""

import logging
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from sandbox import Sandbox, TestRegistry
from series_sandbox import SeriesSandbox, two_series_model

from penstock.spark.session import build_session

FAST_SPARK = {
    "spark.master": "local[2]",
    # A session lives through all the tests of its process; in the default of 1 GB it collects garbage in vain.
    "spark.driver.memory": "2g",
    # Short-lived code: what the second compiler gains it never earns back.
    "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
    # Every query here is new and small: compiling it takes longer than interpreting it, and planning it anew between
    # its stages longer than running it. The integration tests and the jobs do both.
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    "spark.sql.adaptive.enabled": "false",
    "spark.databricks.delta.snapshotPartitions": "1",
    "spark.ui.enabled": "false",
    "spark.sql.shuffle.partitions": "2",
    "spark.sql.warehouse.dir": str(Path(tempfile.gettempdir()) / "penstock-tests-warehouse"),
}

COMPILING = {"spark.sql.codegen.wholeStage": "true", "spark.sql.codegen.factoryMode": "CODEGEN_ONLY"}


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    os.environ["PENSTOCK_SPARK_LOG"] = str(tmp_path_factory.mktemp("logs") / "spark.log")
    session = build_session("penstock-tests", settings=FAST_SPARK)
    yield session
    session.stop()


@pytest.fixture(scope="module", params=["interpreted", "compiled"])
def either_session(spark: SparkSession, request: pytest.FixtureRequest) -> Iterator[SparkSession]:
    """As the other tests run it, and as pipelines do: for what each of the two calls in its own way."""
    if request.param == "interpreted":
        yield spark
        return
    before = {name: spark.conf.get(name) for name in COMPILING}
    for name, value in COMPILING.items():
        spark.conf.set(name, value)
    yield spark
    for name, value in before.items():
        spark.conf.set(name, value)


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> TestRegistry:
    folder = tmp_path_factory.mktemp("registry")
    os.environ["PENSTOCK_MODEL_CACHE"] = str(folder / "cache")
    logging.getLogger("mlflow").setLevel(logging.ERROR)
    logging.getLogger("alembic").setLevel(logging.ERROR)
    return TestRegistry(folder)


@pytest.fixture
def sandbox(spark: SparkSession, registry: TestRegistry, tmp_path: Path) -> Sandbox:
    return Sandbox(root=tmp_path, spark=spark, registry=registry)


@pytest.fixture
def series(sandbox: Sandbox) -> SeriesSandbox:
    return SeriesSandbox(sandbox, two_series_model(sandbox.registry))
