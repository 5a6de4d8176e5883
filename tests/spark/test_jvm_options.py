"""Which compiler a job's JVM gets, and that a setting of the user's wins."""

import re
import subprocess
from pathlib import Path

import pytest
from pyspark import SparkConf, SparkContext
from sandbox import WINE, Sandbox, csv_file

from penstock.spark import jvm_options, pipeline_settings
from penstock.spark.environment import java_command
from penstock.spark.jvm_options import DRIVER_OPTIONS, Jit, jvm_settings, submitted_settings
from penstock.spark.pipeline_settings import jit_of
from penstock.spark.session import start_jvm


def test_a_backfill_of_little_is_short_and_a_stream_never(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    config = sandbox.config()
    assert jit_of(config, once=True) is Jit.SHORT
    sandbox.drop("deep/a.csv", csv_file(WINE))
    assert (jit_of(config, once=True), jit_of(config, once=False)) == (Jit.SHORT, Jit.BATCHES)
    monkeypatch.setattr(pipeline_settings, "SMALL_BYTES", 10)
    assert jit_of(config, once=True) is Jit.BATCHES


def test_a_backfill_of_many_files_or_of_a_store_is_not_short(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline_settings, "SMALL_FILES", 1)
    for name in ("a.csv", "b.csv"):
        sandbox.drop(name, csv_file(WINE))
    assert jit_of(sandbox.config(), once=True) is Jit.BATCHES
    sandbox.changes["source"] = {"path": "s3a://bucket/inbox"}
    assert jit_of(sandbox.config(), once=True) is Jit.BATCHES


def test_the_archive_and_the_compiler_come_in_one_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jvm_options, "archive_settings", lambda: {DRIVER_OPTIONS: "-XX:SharedArchiveFile=x", "a": "b"})
    assert jvm_settings(Jit.SHORT) == {DRIVER_OPTIONS: f"-XX:SharedArchiveFile=x {Jit.SHORT.value}", "a": "b"}
    monkeypatch.setattr(jvm_options, "archive_settings", dict)
    assert jvm_settings(Jit.BATCHES) == {DRIVER_OPTIONS: Jit.BATCHES.value}


def test_the_config_has_the_last_word(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[SparkConf] = []
    monkeypatch.delenv("PYSPARK_GATEWAY_PORT", raising=False)
    monkeypatch.setattr(SparkContext, "_ensure_initialized", lambda conf: given.append(conf))
    start_jvm({}, Jit.SHORT)
    start_jvm({DRIVER_OPTIONS: "-Xint"}, Jit.SHORT)
    assert str(given[0].get(DRIVER_OPTIONS)).endswith(Jit.SHORT.value)
    assert given[1].get(DRIVER_OPTIONS) == "-Xint"


@pytest.mark.parametrize("jit", list(Jit))
@pytest.mark.parametrize(
    "own", ["-XX:+UseG1GC", "-XX:+UseParallelGC", "-XX:TieredStopAtLevel=4", "-XX:TieredStopAtLevel=1"]
)
def test_java_takes_the_users_options_after_ours(jit: Jit, own: str) -> None:
    command = [java_command() or "java", *jit.value.split(), own, "-XX:+PrintFlagsFinal", "--version"]
    flags = subprocess.run(command, capture_output=True, text=True, check=True)
    name, wanted = own.removeprefix("-XX:").lstrip("+").partition("=")[::2]
    assert re.search(rf" {name} += {wanted or 'true'} ", flags.stdout)
    assert flags.stderr == ""


def test_spark_submit_is_told_of_an_archive_that_may_still_be_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPARK_HOME", str(tmp_path))
    monkeypatch.delenv("PENSTOCK_CLASS_ARCHIVE", raising=False)
    found = submitted_settings(Jit.BATCHES)
    assert str(tmp_path) in found["spark.driver.extraClassPath"]
    assert Jit.BATCHES.value in found[DRIVER_OPTIONS]
    assert jvm_options.as_properties().count("\n") == len(found)


def test_what_a_site_says_of_its_own_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPARK_CONF_DIR", str(tmp_path))
    lines = [f"{DRIVER_OPTIONS} -Dsite=1", "spark.driver.extraClassPath /opt/site.jar", "# spark.master x", ""]
    (tmp_path / "spark-defaults.conf").write_text("\n".join(lines))
    given = jvm_options.jvm_settings(Jit.SHORT)
    assert given == {DRIVER_OPTIONS: f"{Jit.SHORT.value} -Dsite=1"}
    (tmp_path / "spark-defaults.conf").write_text(jvm_options.as_properties())
    assert jvm_options.jvm_settings(Jit.SHORT) == jvm_options.with_compiler(jvm_options.archive_settings(), Jit.SHORT)
