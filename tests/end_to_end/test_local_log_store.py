"""The log store of local folders makes a commit once, and lists what Delta's own lists, which is asked here, too."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from py4j.protocol import Py4JJavaError
from pyspark.sql import SparkSession

from penstock.spark.settings import SETTINGS

OURS = SETTINGS["spark.delta.logStore.file.impl"]
DELTAS = "io.delta.storage.HDFSLogStore"
NAMES = (
    "00000000000000000000.json",
    "00000000000000000000.crc",
    ".00000000000000000000.json.crc",
    "00000000000000000009.checkpoint.parquet",
    "00000000000000000010.json",
    ".00000000000000000010.json.1a2b.tmp",
    "00000000000000000011.json",
    "_last_checkpoint",
    "._last_checkpoint.crc",
)


def listing(spark: SparkSession, store: str, path: Path) -> list[tuple[str, int, bool]]:
    """Name, length and whether it is a folder."""
    java: Any = spark._jvm
    conf = spark._jsc.hadoopConfiguration()
    made = getattr(java, store)(conf)
    found, files = made.listFrom(java.org.apache.hadoop.fs.Path(f"file:{path}"), conf), []
    while found.hasNext():
        status = found.next()
        files.append((status.getPath().getName(), status.getLen(), status.isDirectory()))
    return files


@pytest.fixture
def log(tmp_path: Path) -> Path:
    folder = tmp_path / "a b%" / "_delta_log"
    (folder / "_sidecars").mkdir(parents=True)
    for number, name in enumerate(NAMES):
        (folder / name).write_bytes(b"x" * number)
    return folder


@pytest.mark.parametrize(
    "first", ["", "00000000000000000000.json", "00000000000000000010.", "00000000000000000012.json", "_last", "z"]
)
def test_the_listing_is_deltas(spark: SparkSession, log: Path, first: str) -> None:
    path = log / (first or "0")
    assert listing(spark, OURS, path) == listing(spark, DELTAS, path)


def test_it_begins_where_it_is_told(spark: SparkSession, log: Path) -> None:
    names = [name for name, _, _ in listing(spark, OURS, log / "00000000000000000010.")]
    assert names == ["00000000000000000010.json", "00000000000000000011.json", "_last_checkpoint", "_sidecars"]


@pytest.mark.parametrize("store", [OURS, DELTAS])
def test_a_folder_that_is_not_there_is_an_error(spark: SparkSession, tmp_path: Path, store: str) -> None:
    with pytest.raises(Py4JJavaError, match="FileNotFoundException"):
        listing(spark, store, tmp_path / "nowhere" / "0")


def commit(spark: SparkSession, store: str, path: Path, *actions: str, overwrite: bool = False) -> bool:
    """By a store of its own, as another process would have it; False if the commit was there."""
    java: Any = spark._jvm
    conf = spark._jsc.hadoopConfiguration()
    lines = java.java.util.ArrayList()
    for action in actions:
        lines.add(action)
    hadoop_path = java.org.apache.hadoop.fs.Path(f"file:{path}")
    try:
        getattr(java, store)(conf).write(hadoop_path, lines.iterator(), overwrite, conf)
    except Py4JJavaError as error:
        if "java.nio.file.FileAlreadyExistsException" not in str(error):
            raise
        return False
    return True


@pytest.mark.parametrize("store", [OURS, DELTAS])
def test_a_commit_is_made_once(spark: SparkSession, tmp_path: Path, store: str) -> None:
    folder = tmp_path / "a b%"
    folder.mkdir()
    path = folder / "00000000000000000000.json"
    assert commit(spark, store, path, "one é", "two")
    assert not commit(spark, store, path, "three")
    assert path.read_text(encoding="utf-8") == "one é\ntwo\n"
    assert [one.name for one in folder.iterdir() if one.suffix != ".crc"] == [path.name]
    assert commit(spark, store, path, "four", overwrite=True)
    assert path.read_text(encoding="utf-8") == "four\n"


def test_of_many_that_try_a_commit_one_makes_it(spark: SparkSession, tmp_path: Path) -> None:
    tries, commits = 8, 100
    with ThreadPoolExecutor(tries) as writers:
        for number in range(commits):
            path = tmp_path / f"{number:020}.json"
            made = list(writers.map(lambda who, path=path: commit(spark, OURS, path, str(who)), range(tries)))
            assert made.count(True) == 1
            assert path.read_text() == f"{made.index(True)}\n"


def test_delta_uses_it(spark: SparkSession, tmp_path: Path) -> None:
    table = str(tmp_path / "table")
    spark.range(1).write.format("delta").save(table)
    spark.range(1).write.format("delta").mode("append").save(table)
    assert spark.read.format("delta").load(table).count() == 2
    log = spark._jvm.org.apache.spark.sql.delta.DeltaLog.forTable(spark._jsparkSession, table)
    used = log.store().getDelegate(log.logPath())
    assert OURS in (used.getClass().getName(), used.logStoreImpl().getClass().getName())
