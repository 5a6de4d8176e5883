"""Checkpoints on S3 and elsewhere with the file manager that every session is set to."""

from pathlib import Path

import pytest
from pyspark.sql import DataFrame, SparkSession
from s3_proxy import S3Proxy
from s3_store import TAKEN_FOR_SPARK, Bucket, create_file, fails_with, file_manager, open_file

from penstock.spark.settings import SETTINGS


@pytest.mark.parametrize("overwrite", [False, True])
def test_what_is_cancelled_is_not_there(overwrite: bool, proxied: Bucket, proxy: S3Proxy) -> None:
    stream = open_file(proxied.spark, proxied.url("file"), overwrite=overwrite)
    stream.write(b"content")
    stream.cancel()
    stream.close()  # as a caller does that closes in any case
    assert proxied.names() == []
    assert "PUT" not in {request.method for request in proxy.requests}


def test_a_second_close_writes_nothing(direct: Bucket) -> None:
    stream = open_file(direct.spark, direct.url("file"))
    stream.write(b"content")
    stream.close()
    stream.close()
    stream.cancel()
    assert direct.read("file") == "content"


def test_a_file_that_may_be_replaced_is(direct: Bucket) -> None:
    for content in ("first", "second"):
        direct.create("file", content, overwrite=True)
    assert direct.names() == ["file"]
    assert direct.read("file") == "second"


def test_an_empty_file_is_a_file(direct: Bucket) -> None:
    direct.create("file", "")
    with fails_with(TAKEN_FOR_SPARK):
        direct.create("file", "")


def test_files_are_listed_found_and_deleted(direct: Bucket) -> None:
    manager = file_manager(direct.spark, direct.url(""))
    path = direct.spark._jvm.org.apache.hadoop.fs.Path(direct.url("folder/0"))
    manager.mkdirs(path.getParent())
    assert not manager.exists(path)
    direct.create("folder/0", "content")
    assert [status.getPath().getName() for status in manager.list(path.getParent())] == ["0"]
    manager.delete(path)
    manager.delete(path)
    assert not manager.exists(path)
    assert not manager.isLocal()


def test_a_local_checkpoint_file_is_made_once_or_replaced(spark: SparkSession, tmp_path: Path) -> None:
    url = f"file:{tmp_path}/checkpoint/0"
    manager = file_manager(spark, url)
    assert manager.isLocal()
    manager.mkdirs(spark._jvm.org.apache.hadoop.fs.Path(url).getParent())
    create_file(spark, url, "first")
    with fails_with(TAKEN_FOR_SPARK):
        create_file(spark, url, "second")
    create_file(spark, url, "third", overwrite=True)
    assert (tmp_path / "checkpoint" / "0").read_text() == "third"
    stream = open_file(spark, f"file:{tmp_path}/checkpoint/1")
    stream.write(b"content")
    stream.cancel()
    stream.close()
    assert [path.name for path in (tmp_path / "checkpoint").iterdir()] == ["0"]


def stream_twice(spark: SparkSession, inbox: Path, checkpoint: str) -> list[tuple[int, int]]:
    """Two starts of one stream, a file each; the batches that it saw, with their rows."""
    batches = []
    inbox.mkdir()
    for number in range(2):
        (inbox / f"{number}.txt").write_text("line\n" * (number + 1))

        def note(frame: DataFrame, batch_id: int) -> None:
            batches.append((batch_id, frame.count()))

        query = (
            spark.readStream.text(str(inbox))
            .writeStream.foreachBatch(note)
            .option("checkpointLocation", checkpoint)
            .trigger(availableNow=True)
            .start()
        )
        query.awaitTermination(120)
        assert query.exception() is None
    return batches


def test_a_stream_goes_on_from_its_checkpoint(proxied: Bucket, proxy: S3Proxy, tmp_path: Path) -> None:
    assert stream_twice(proxied.spark, tmp_path / "inbox", proxied.url("checkpoint")) == [(0, 1), (1, 2)]
    names = proxied.names()
    assert {f"checkpoint/{log}/{batch}" for log in ("offsets", "commits") for batch in (0, 1)} <= set(names)
    assert [name for name in names if ".tmp" in name] == []
    copies = [request for request in proxy.requests if any(name == "x-amz-copy-source" for name, _ in request.headers)]
    assert copies == []


def test_a_local_stream_goes_on_from_its_checkpoint(spark: SparkSession, tmp_path: Path) -> None:
    assert (
        spark.conf.get("spark.sql.streaming.checkpointFileManagerClass")
        == SETTINGS["spark.sql.streaming.checkpointFileManagerClass"]
    )
    assert stream_twice(spark, tmp_path / "inbox", str(tmp_path / "checkpoint")) == [(0, 1), (1, 2)]
