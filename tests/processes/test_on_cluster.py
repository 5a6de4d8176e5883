"""Both workloads as their users run them: submitted to a cluster, data on S3, models from an MLflow server."""

import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from faults.bench import Bench
from faults.feeds import FEEDS, ROWS_FEED, Feed
from free_ports import free_port
from job_processes import PROJECT, Job
from pyspark.sql import SparkSession
from sandbox import Sandbox, TestRegistry

from penstock.interfaces.local_servers.process import ServerProcess
from penstock.interfaces.local_servers.servers import (
    Cluster,
    MlflowServer,
    S3Server,
    start_cluster,
    start_mlflow,
    start_s3,
    stop_all,
)

FILES = 3


@dataclass(frozen=True, kw_only=True)
class Site:
    state: Path
    s3: S3Server
    tracking: MlflowServer
    cluster: Cluster
    master_port: int

    def environment(self) -> dict[str, str]:
        return self.s3.environment() | self.tracking.environment() | self.cluster.environment()


class ServedRegistry(TestRegistry):
    """The tests' models, in an MLflow server's registry."""

    address = ""

    @property
    def uri(self) -> str:
        return self.address


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    state, master_port = tmp_path_factory.mktemp("site"), free_port()
    try:
        s3 = start_s3(state, port=free_port())
        yield Site(
            state=state,
            s3=s3,
            tracking=start_mlflow(state, s3=s3, port=free_port()),
            cluster=start_cluster(state, port=master_port, ui_port=free_port()),
            master_port=master_port,
        )
    finally:
        stop_all(state)


@pytest.fixture(scope="module")
def bench(site: Site, spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """Pipelines on the site's S3, with its registry; `spark` looks at their tables from here."""
    hadoop = spark._jsc.hadoopConfiguration()
    settings = {"endpoint": site.s3.endpoint, "path.style.access": "true", "endpoint.region": site.s3.region}
    settings |= {"access.key": site.s3.credentials.access_key, "secret.key": site.s3.credentials.secret_key}
    for key, value in settings.items():
        hadoop.set(f"fs.s3a.bucket.{site.s3.bucket}.{key}", value)
    registry = ServedRegistry(tmp_path_factory.mktemp("served"))
    registry.address = site.tracking.uri
    with pytest.MonkeyPatch.context() as patch:
        for name, value in site.environment().items():
            patch.setenv(name, value)
        # For the driver, which reads the contract.
        patch.setenv("PYTHONPATH", str(PROJECT / "tests"))
        yield Bench(
            folder=tmp_path_factory.mktemp("jobs"), spark=spark, registry=registry, place=f"s3a://{site.s3.bucket}"
        )


def submitted(sandbox: Sandbox, site: Site, package: Path, job: str) -> Job:
    """spark-submit to the cluster, the code in the zip."""
    conf = sandbox.root / "conf.yaml"
    settings = sandbox.config().model_dump(mode="json", exclude={"spark"})
    conf.write_text(yaml.safe_dump(settings))
    submit = [str(Path(sys.executable).parent / "spark-submit"), "--master", site.cluster.url]
    submit += ["--conf", "spark.ui.enabled=false", "--py-files", str(package)]
    # Short-lived code: what the second compiler gains it never earns back.
    for process in ("driver", "executor"):
        submit += ["--conf", f"spark.{process}.extraJavaOptions=-XX:TieredStopAtLevel=1"]
    return Job(sandbox, [*submit, f"jobs/{job}.py", "--conf", str(conf)])


@pytest.mark.parametrize("feed", FEEDS, ids=lambda feed: feed.name)
def test_the_tables_are_those_of_a_local_run(bench: Bench, site: Site, package: Path, feed: Feed) -> None:
    local = Bench(folder=bench.folder, spark=bench.spark, registry=bench.registry)
    submitted_one, here = (
        feed.sandbox(bench, "same", files_a_batch=FILES),
        feed.sandbox(local, f"same-{feed.name}", files_a_batch=FILES),
    )
    for sandbox in (submitted_one, here):
        sandbox.changes["pipeline"] = feed.name
        if sandbox.place:
            sandbox.place += f"-{feed.name}"
        for number in range(FILES):
            feed.deliver(sandbox, number)
    job = submitted(submitted_one, site, package, "backfill")
    here.run()
    assert job.end(seconds=600) == 0, job.output.read_text()
    assert feed.ledger(submitted_one, range(FILES)).is_clean
    assert feed.contents(submitted_one) == feed.contents(here)


def test_a_stream_outlives_an_executor_a_worker_and_the_registry(bench: Bench, site: Site, package: Path) -> None:
    sandbox = ROWS_FEED.sandbox(bench, "outlives")
    ROWS_FEED.deliver(sandbox, 0)
    job = submitted(sandbox, site, package, "score_stream")
    try:
        job.wait_for("batch 0: 1 files", seconds=600)
        ROWS_FEED.deliver(sandbox, 1)
        job.wait_for("batch 1: 1 of 1 files accepted, scoring", seconds=600)
        kill(executors_of(site.cluster.workers[0]))
        job.wait_for("batch 1: 1 files", seconds=600)

        ROWS_FEED.deliver(sandbox, 2)
        job.wait_for("batch 2: 1 of 1 files accepted, scoring", seconds=600)
        kill(site.cluster.workers[1].pids())
        job.wait_for("batch 2: 1 files", seconds=600)
        start_cluster(site.state, port=site.master_port, ui_port=site.cluster.master.port("ui"))

        port = site.tracking.process.port("mlflow")
        kill(site.tracking.process.pids())
        ROWS_FEED.deliver(sandbox, 3)
        job.wait_for("batch 3: 1 files", seconds=600)
        start_mlflow(site.state, s3=site.s3, port=port)
        ROWS_FEED.deliver(sandbox, 4)
        job.wait_for("batch 4: 1 files", seconds=600)
    finally:
        job.kill()
    assert ROWS_FEED.ledger(sandbox, range(5)).is_clean


def test_executors_that_do_not_fit_the_model_are_told_with_both_versions(
    bench: Bench, site: Site, package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Executors whose Python finds another pandas than the driver's: its metadata lies before the real one's."""
    (tmp_path / "pandas-1.0.0.dist-info").mkdir()
    (tmp_path / "pandas-1.0.0.dist-info" / "METADATA").write_text("Name: pandas\nVersion: 1.0.0\n")
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nPYTHONPATH="{tmp_path}:$PYTHONPATH" exec {sys.executable} "$@"\n')
    python.chmod(0o755)
    monkeypatch.setenv("PYSPARK_PYTHON", str(python))
    monkeypatch.setenv("PYSPARK_DRIVER_PYTHON", sys.executable)
    sandbox = ROWS_FEED.sandbox(bench, "incompatibility")
    ROWS_FEED.deliver(sandbox, 0)
    job = submitted(sandbox, site, package, "backfill")
    assert job.end(seconds=600) == 1, job.output.read_text()
    assert "needs pandas==" in job.output.read_text()
    assert "here is 1.0.0" in job.output.read_text()


def executors_of(worker: ServerProcess) -> list[int]:
    found = [pid for pid in worker.pids() if "CoarseGrainedExecutorBackend" in command_line(pid)]
    assert found
    return found


def kill(pids: Sequence[int]) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def command_line(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
