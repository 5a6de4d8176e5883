"""What the log store leaves to Delta's own."""

import uuid

import pytest
from pyspark.sql import SparkSession
from s3_proxy import S3Proxy, drop_answer
from s3_server import s3a_settings
from s3_store import TAKEN_FOR_DELTA, Bucket, fails_with, log_store, write_log


def test_a_file_that_may_be_replaced_is(direct: Bucket) -> None:
    url = direct.url("_last_checkpoint")
    for content in ("first", "second"):
        write_log(direct.spark, url, content, overwrite=True)
    assert direct.read("_last_checkpoint") == "second\n"


def test_the_listing_starts_where_it_is_told_and_shows_other_drivers_commits(direct: Bucket) -> None:
    direct.commit("00001.json", "ours")
    client = direct.server.client()
    for name in ("00000.json", "00002.json", "00003.json"):
        client.put_object(Bucket=direct.name, Key=f"{direct.folder}/{name}", Body=b"theirs")
    spark = direct.spark
    path = spark._jvm.org.apache.hadoop.fs.Path(direct.url("00001.json"))
    listing = log_store(spark).listFrom(path, spark._jsc.hadoopConfiguration())
    names = []
    while listing.hasNext():
        names.append(listing.next().getPath().getName())
    assert names == ["00001.json", "00002.json", "00003.json"]


@pytest.fixture
def in_parts(proxied: Bucket, proxy: S3Proxy) -> Bucket:
    """A bucket to which S3A sends more than 5 MB in parts, and the condition with the request that joins them."""
    name = f"parts-{uuid.uuid4().hex}"
    proxied.server.make_bucket(name)
    conf = proxied.spark._jsc.hadoopConfiguration()
    size = {f"fs.s3a.bucket.{name}.{key}": "5M" for key in ("multipart.size", "multipart.threshold")}
    for key, value in (s3a_settings(proxy.endpoint, name) | size).items():
        conf.set(key, value)
    return Bucket(spark=proxied.spark, server=proxied.server, name=name)


@pytest.mark.parametrize("lost", [False, True], ids=["answered", "answer lost"])
def test_a_commit_in_parts_is_conditional_too(lost: bool, in_parts: Bucket, proxy: S3Proxy) -> None:
    if lost:
        proxy.fault = drop_answer("uploadId=", method="POST")
    in_parts.commit("file", *["x" * 1_000_000] * 6)
    assert len(in_parts.read("file")) == 6_000_006
    assert len([request for request in proxy.requests if "partNumber=" in request.path]) == 2
    with fails_with(TAKEN_FOR_DELTA):
        in_parts.commit("file", *["y" * 1_000_000] * 6)
    assert in_parts.read("file")[0] == "x"


@pytest.mark.parametrize("overwrite", [False, True])
def test_nothing_shows_that_is_not_whole(overwrite: bool, direct: Bucket, s3_spark: SparkSession) -> None:
    path = s3_spark._jvm.org.apache.hadoop.fs.Path(direct.url("file"))
    assert log_store(s3_spark).isPartialWriteVisible(path, s3_spark._jsc.hadoopConfiguration()) is False
