"""What the tests share: the two tiers, one Spark session, one MLflow registry with small models, and a sandbox for a
pipeline."""

import logging
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from fast_spark import COMPILING, FAST_SPARK, classes_looked_up_once, tables_from_templates
from projects import modules_kept
from pyspark.sql import SparkSession
from s3_server import S3Server, start_s3_server
from sandbox import Sandbox, TestRegistry
from series_sandbox import SeriesSandbox, two_series_model
from served_registry import Server

from penstock.spark.session import build_session

TESTS = Path(__file__).parent
#: Folders and fixtures of tests that use a job, server, cluster or notebook kernel as a process of its own.
PROCESS_FOLDERS = ("processes", "s3")
PROCESS_FIXTURES = {
    "dashboard_job",
    "model_server",
    "notebooks",
    "process_bench",
    "registry_server",
    "s3",
    "stream_jobs",
}
#: Two of them that the quick tier runs all the same.
SMOKE_FILE = "test_smoke.py"
#: Files with the longest tests. They begin first: a long test that begins last is what a run waits for.
LONG_FILES = ("test_on_cluster.py", "test_faults.py", "test_pipelines_on_s3.py", "test_thrift.py", "test_servers.py")
LONG_FOLDERS = ("processes", "faults", "s3", "end_to_end")
#: Memory is the faster disk, where there is enough of it.
MEMORY, ENOUGH_BYTES = Path("/dev/shm"), 4 * 1024**3

if MEMORY.is_dir() and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > ENOUGH_BYTES:
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sets the markers `process` and `smoke`, and what begins first where processes share a run."""
    for item in items:
        fixtures = set(getattr(item, "fixturenames", ()))
        if item.path.relative_to(TESTS).parts[0] in PROCESS_FOLDERS or fixtures & PROCESS_FIXTURES:
            item.add_marker("process")
        if item.path.name == SMOKE_FILE:
            item.add_marker("smoke")
    items.sort(key=length)


def length(item: pytest.Item) -> tuple[int, int]:
    name, folder = item.path.name, item.path.relative_to(TESTS).parts[0]
    return (
        LONG_FILES.index(name) if name in LONG_FILES else len(LONG_FILES),
        LONG_FOLDERS.index(folder) if folder in LONG_FOLDERS else len(LONG_FOLDERS),
    )


@pytest.fixture(autouse=True)
def own_modules() -> Iterator[None]:
    """A test's project leaves no modules for the next one."""
    with modules_kept():
        yield


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    os.environ["PENSTOCK_SPARK_LOG"] = str(tmp_path_factory.mktemp("logs") / "spark.log")
    session = build_session("penstock-tests", settings=FAST_SPARK)
    with classes_looked_up_once(), tables_from_templates(tmp_path_factory.mktemp("tables")):
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
def registry_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """An MLflow server that a test may stop and start again."""
    server = Server(tmp_path_factory.mktemp("registry-server"))
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    server = start_s3_server(tmp_path_factory.mktemp("s3"))
    yield server
    server.stop()


@pytest.fixture
def sandbox(spark: SparkSession, registry: TestRegistry, tmp_path: Path) -> Sandbox:
    return Sandbox(root=tmp_path, spark=spark, registry=registry)


@pytest.fixture(scope="module")
def shared_sandbox(spark: SparkSession, registry: TestRegistry, tmp_path_factory: pytest.TempPathFactory) -> Sandbox:
    """Of all the tests of a file: for a scenario that runs once, of which each asserts another thing."""
    return Sandbox(root=tmp_path_factory.mktemp("shared"), spark=spark, registry=registry)


@pytest.fixture
def series(sandbox: Sandbox) -> SeriesSandbox:
    return SeriesSandbox(sandbox, two_series_model(sandbox.registry))
