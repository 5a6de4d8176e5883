"""deltalake and DuckDB read the tables on S3 while a stream writes them, and count what Spark counts."""

from pathlib import Path

import duckdb
import pytest
from deltalake import DeltaTable
from faults.bench import Bench, last_commit, streaming, wait_for_commit
from faults.feeds import ROWS_FEED
from pyspark.sql import SparkSession
from s3_server import S3Server
from sandbox import Sandbox, TestRegistry

from penstock.spark.tables import table_at

FILES = 6
TABLES = ("predictions", "quarantine", "batches")


@pytest.fixture
def on_s3(
    s3: S3Server, s3_spark: SparkSession, registry: TestRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Sandbox:
    for name, value in s3.environment().items():
        monkeypatch.setenv(name, value)
    bench = Bench(folder=tmp_path, spark=s3_spark, registry=registry, place=f"s3a://direct/{tmp_path.name}")
    return ROWS_FEED.sandbox(bench, "read")


def test_the_counts_are_sparks_at_the_same_version(on_s3: Sandbox, s3: S3Server) -> None:
    """Read while the stream writes batch after batch, until the last one is done."""
    for number in range(FILES):
        ROWS_FEED.deliver(on_s3, number)
    versions: dict[str, set[int]] = {name: set() for name in TABLES}
    with streaming(on_s3) as check:
        wait_for_commit(on_s3, 0, check)
        while last_commit(on_s3) < FILES - 1:
            check()
            for name in TABLES:
                versions[name].add(compare_newest(on_s3, s3, name))
    assert all(len(found) > 1 for found in versions.values()), versions


def compare_newest(sandbox: Sandbox, s3: S3Server, name: str) -> int:
    """The version of the table at which all three counted the same."""
    path = f"{sandbox.location}/tables/{name}"
    table = DeltaTable(path.replace("s3a://", "s3://"), storage_options=options(s3))
    rows = table.to_pyarrow_dataset()
    [[by_duckdb]] = duckdb.connect().from_arrow(rows).count("*").fetchall()
    by_spark = table_at(sandbox.spark, path, table.version()).count()
    assert (rows.count_rows(), by_duckdb) == (by_spark, by_spark), (name, table.version())
    return table.version()


def options(s3: S3Server) -> dict[str, str]:
    return s3.environment() | {"AWS_ALLOW_HTTP": "true"}
