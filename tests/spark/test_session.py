import os

import pytest
from pyspark import SparkConf, SparkContext
from pyspark.sql import SparkSession

from penstock.errors import EnvironmentCheckError
from penstock.spark.session import check_master, local_address, require_class, start_jvm
from penstock.spark.settings import FILE_MANAGER


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


def test_a_class_that_spark_does_not_find_is_an_error_with_what_to_do(spark: SparkSession) -> None:
    require_class(spark, FILE_MANAGER)
    with pytest.raises(EnvironmentCheckError, match=r"org\.example\.Missing.*make jars.*copy the file into its jars"):
        require_class(spark, "org.example.Missing")


@pytest.mark.parametrize("wanted", [{}, {"spark.master": "spark://a:7077"}])
def test_the_master_of_the_config_is_that_of_spark_submit(wanted: dict[str, str]) -> None:
    check_master({"spark.master": "spark://a:7077"}, wanted)
    check_master({}, wanted)


def test_another_master_than_that_of_spark_submit_is_refused() -> None:
    with pytest.raises(EnvironmentCheckError, match=r"spark://a:7077 in the config.*local\[\*\].*--master"):
        check_master({"spark.master": "local[*]"}, {"spark.master": "spark://a:7077"})


@pytest.mark.parametrize(
    ("settings", "variables", "address"),
    [
        ({}, {}, "127.0.0.1"),
        ({"spark.master": "local[2]"}, {"PYSPARK_SUBMIT_ARGS": "--master spark://a:7077 pyspark-shell"}, "127.0.0.1"),
        ({"spark.driver.bindAddress": "0.0.0.0"}, {}, "0.0.0.0"),
        ({}, {"SPARK_LOCAL_IP": "10.0.0.1"}, "10.0.0.1"),
        ({"spark.master": "spark://a:7077"}, {}, None),
        ({"spark.master": "local-cluster[2,1,1024]"}, {}, None),
        ({}, {"PYSPARK_SUBMIT_ARGS": "--master spark://a:7077 pyspark-shell"}, None),
        ({}, {"PYSPARK_SUBMIT_ARGS": "--conf spark.master=k8s://b pyspark-shell"}, None),
    ],
)
def test_a_jvm_of_a_local_master_listens_on_this_machine_only(
    monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], variables: dict[str, str], address: str | None
) -> None:
    for name in ("SPARK_LOCAL_IP", "PYSPARK_SUBMIT_ARGS"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with local_address(settings):
        assert os.environ.get("SPARK_LOCAL_IP") == address
    assert os.environ.get("SPARK_LOCAL_IP") == variables.get("SPARK_LOCAL_IP")
