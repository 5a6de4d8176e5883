"""A real S3 server, reached by the tests' Spark session directly and through a proxy with faults."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from faults.bench import Bench
from pyspark.sql import SparkSession
from s3_proxy import S3Proxy, no_fault
from s3_server import S3Server, s3a_settings
from s3_store import Bucket
from sandbox import TestRegistry

from penstock.config.pipeline import S3Config
from penstock.storage.s3 import S3Storage

DIRECT = "direct"
PROXIED = "proxied"


@pytest.fixture(scope="session")
def buckets(s3: S3Server) -> S3Server:
    for name in (DIRECT, PROXIED):
        s3.make_bucket(name)
    return s3


@pytest.fixture(scope="session")
def running_proxy(buckets: S3Server) -> Iterator[S3Proxy]:
    proxy = S3Proxy(buckets.address)
    yield proxy
    proxy.stop()


@pytest.fixture
def proxy(running_proxy: S3Proxy) -> Iterator[S3Proxy]:
    running_proxy.forget()
    yield running_proxy
    running_proxy.fault = no_fault


@pytest.fixture(scope="session")
def s3_spark(spark: SparkSession, s3: S3Server, running_proxy: S3Proxy) -> SparkSession:
    """The tests' session, which from here on knows the two buckets."""
    conf = spark._jsc.hadoopConfiguration()
    settings = s3a_settings(s3.endpoint, DIRECT) | s3a_settings(running_proxy.endpoint, PROXIED)
    # Set through a socket, in a JVM that may have started before the server.
    settings |= {"fs.s3a.access.key": s3.access_key, "fs.s3a.secret.key": s3.secret_key}
    for key, value in settings.items():
        conf.set(key, value)
    return spark


@pytest.fixture
def direct(s3_spark: SparkSession, s3: S3Server) -> Bucket:
    return Bucket(spark=s3_spark, server=s3, name=DIRECT)


@pytest.fixture
def proxied(s3_spark: SparkSession, s3: S3Server, proxy: S3Proxy) -> Bucket:
    return Bucket(spark=s3_spark, server=s3, name=PROXIED)


@pytest.fixture
def storage(s3: S3Server, proxy: S3Proxy, monkeypatch: pytest.MonkeyPatch) -> S3Storage:
    """Through the proxy."""
    for name, value in s3.environment().items():
        monkeypatch.setenv(name, value)
    return S3Storage(S3Config(endpoint=proxy.endpoint))


@pytest.fixture
def hasty(storage: S3Storage) -> S3Storage:
    """Waits for half a second at most."""
    return S3Storage(storage.config, retry_seconds=0.5)


@pytest.fixture
def path(storage: S3Storage) -> str:
    """A name that no other test has."""
    return f"s3a://{PROXIED}/files/{uuid.uuid4().hex}"


def bench_at(endpoint: str, place: str, request: pytest.FixtureRequest, folder: Path) -> Iterator[Bench]:
    server: S3Server = request.getfixturevalue("s3")
    spark: SparkSession = request.getfixturevalue("s3_spark")
    registry: TestRegistry = request.getfixturevalue("registry")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (server.environment() | {"AWS_ENDPOINT_URL": endpoint}).items():
            patch.setenv(name, value)
        yield Bench(folder=folder, spark=spark, registry=registry, place=f"{place}/{folder.name}")


@pytest.fixture
def bench(s3: S3Server, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    yield from bench_at(s3.endpoint, f"s3a://{DIRECT}", request, tmp_path)


@pytest.fixture
def proxied_bench(proxy: S3Proxy, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    yield from bench_at(proxy.endpoint, f"s3a://{PROXIED}", request, tmp_path)
