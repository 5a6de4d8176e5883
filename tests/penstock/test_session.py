import pytest
from pyspark import SparkConf, SparkContext

from penstock.session import start_jvm


def test_secrets_are_not_in_the_command_line_of_the_jvm(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[SparkConf] = []
    monkeypatch.delenv("PYSPARK_GATEWAY_PORT", raising=False)
    monkeypatch.setattr(SparkContext, "_ensure_initialized", lambda conf: given.append(conf))
    start_jvm(
        {
            "spark.driver.memory": "2g",
            "spark.hadoop.fs.s3a.secret.key": "x",
            "spark.hadoop.fs.s3a.access.key": "x",
            "spark.hadoop.fs.s3a.session.token": "x",
            "spark.ssl.keyPassword": "x",
        }
    )
    [conf] = given
    # Where a JVM runs already, SparkConf also has what it was started with.
    assert conf.get("spark.driver.memory") == "2g"
    assert not any(value == "x" for _, value in conf.getAll())


def test_a_jvm_that_spark_submit_started_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYSPARK_GATEWAY_PORT", "1")
    monkeypatch.setattr(SparkContext, "_ensure_initialized", lambda conf: pytest.fail("a second JVM"))
    start_jvm({"spark.driver.memory": "2g"})
