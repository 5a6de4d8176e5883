"""The Python workers of a session come from one process, which has imported what they need before they are asked."""

from pathlib import Path

from pyspark.sql import SparkSession
from sandbox import WINE, Sandbox, csv_file

from penstock.config.pipeline import PipelineConfig
from penstock.models.resolved import ModelAtStart
from penstock.models.warmup import preload_settings, start_worker


def daemons(spark: SparkSession) -> set[int]:
    """The pids of the JVM's children that are Python."""
    jvm = spark._jvm.java.lang.ProcessHandle.current().pid()
    return {
        int(task)
        for children in Path(f"/proc/{jvm}/task").glob("*/children")
        for task in children.read_text().split()
        if b"python" in Path(f"/proc/{task}/cmdline").read_bytes()
    }


def test_a_batch_has_the_workers_that_were_started_ahead(sandbox: Sandbox) -> None:
    start_worker(sandbox.spark)
    ahead = daemons(sandbox.spark)
    [daemon] = [pid for pid in ahead if b"penstock.udfs.scoring.daemon" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    assert "/pandas/_libs/" in Path(f"/proc/{daemon}/maps").read_text()
    sandbox.drop("a.csv", csv_file(WINE, WINE))
    [record] = sandbox.run()
    assert record.accepted == 2
    assert daemons(sandbox.spark) == ahead


def test_the_libraries_are_those_of_the_model(sandbox: Sandbox) -> None:
    name = "spark.executorEnv.PENSTOCK_PRELOAD"
    assert preload_settings(ModelAtStart.of(sandbox.config())) == {name: ""}
    away = sandbox.config().model_dump(mode="json") | {"model": {"name": "not-registered"}}
    assert preload_settings(ModelAtStart.of(PipelineConfig.model_validate(away))) == {}
