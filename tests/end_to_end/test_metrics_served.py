"""A real stream's numbers at its real endpoint, against numbers counted by hand; and a real job's log and Spark's own
metrics."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from faults.bench import QUICK_SPARK, streaming, wait_for_commit
from faults.killing import kill_session
from free_ports import free_port
from sandbox import WINE, Sandbox, csv_file, wine
from scraping import samples, scrape, series

PROJECT = Path(__file__).parents[2]
SMALL = "--master local[2] --driver-java-options '-XX:TieredStopAtLevel=1 -XX:+UseSerialGC'"
NO_NUMBER, NO_WINE, SPIRIT = wine(alcohol="abc"), wine(alcohol=30.0), wine(alcohol=15.0)
COUNTERS = ("batches", "rows_in", "rows_accepted", "rows_quarantined", "rows_failed", "files_refused")


@pytest.fixture
def port(sandbox: Sandbox) -> int:
    """Where the sandbox's pipeline, which takes one file at a time, shows its metrics."""
    port = free_port()
    sandbox.changes = {
        # It raises on a spirit, which the contract accepts.
        "model": {"name": sandbox.registry.wine_model("fussy")},
        "trigger": {"every": 0.5},
        "source": {"max_files_per_trigger": 1},
        "metrics": {"port": port, "backlog_every": 1},
    }
    return port


def shown(port: int) -> dict[str, float]:
    """Empty while nobody listens."""
    try:
        return samples(scrape(port))
    except urllib.error.URLError:
        return {}


def counters(port: int) -> tuple[float, ...]:
    found = shown(port)
    return tuple(found[series(f"{name}_total")] for name in COUNTERS)


def wait_until(is_so: Callable[[], bool], check: Callable[[], None], *, seconds: float = 600) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        check()
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_the_endpoint_follows_a_stream(sandbox: Sandbox, port: int) -> None:
    sandbox.drop("a.csv", csv_file(WINE, WINE, WINE, SPIRIT, NO_NUMBER, NO_WINE), age_seconds=90)
    sandbox.drop("b.csv", csv_file(WINE, header=["alcohol", "pH"]), age_seconds=80)
    backlog = series("backlog_files")
    with streaming(sandbox) as check:
        wait_until(lambda: backlog in shown(port), check)
        assert shown(port)[backlog] == 2
        wait_for_commit(sandbox, 1, check)
        wait_until(lambda: counters(port)[0] == 2, check)
        # a.csv: 6 rows, of which the contract accepts 4, and of these the model fails on the spirit. b.csv is refused.
        assert counters(port) == (2, 6, 4, 2, 1, 1)
        assert shown(port)[backlog] == 0
        sandbox.drop("c.csv", csv_file(WINE, WINE), age_seconds=70)
        wait_until(lambda: counters(port)[0] == 3, check)
        assert counters(port) == (3, 8, 6, 2, 1, 1)
        heard = shown(port)[series("query_last_event_timestamp_seconds")]
        # Spark reports a trigger without files every ten seconds.
        wait_until(lambda: shown(port)[series("query_last_event_timestamp_seconds")] > heard, check)
        found = shown(port)
    assert shown(port) == {}
    [version] = {row.model_version for row in sandbox.rows("predictions")}
    model = series("model_info", model=sandbox.config().model.name, role="champion", version=version)
    assert (found[model], found[series("query_running")], found[series("trigger_interval_seconds")]) == (1, 1, 0.5)
    seconds = "sum(unix_micros(finished_at) - unix_micros(started_at)) / 1e6", "sum(seconds['plan'])"
    [[last, in_batches, in_plans]] = (
        sandbox.table("batches").selectExpr("max(unix_micros(finished_at)) / 1e6", *seconds).collect()
    )
    assert found[series("last_batch_finished_timestamp_seconds")] == pytest.approx(last, abs=0.001)
    assert found[series("batch_duration_seconds_count")] == 3
    assert found[series("batch_duration_seconds_sum")] == pytest.approx(in_batches)
    assert found[series("batch_phase_duration_seconds_sum", phase="plan")] == pytest.approx(in_plans)


class StreamJob:
    """jobs/score_stream.py with its page for Spark at a port of its own, and JSON for a log."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.page, self.log = free_port(), sandbox.root / f"log-{time.monotonic_ns()}.txt"
        conf = sandbox.root / "conf.yaml"
        conf.write_text(yaml.safe_dump(sandbox.config().model_dump(mode="json") | {"spark": dict(QUICK_SPARK)}))
        added = {
            "PENSTOCK_LOG_FORMAT": "json",
            "PENSTOCK_SPARK_LOG": str(sandbox.root / "spark.log"),
            "PYSPARK_SUBMIT_ARGS": f"--conf spark.ui.port={self.page} {SMALL} pyspark-shell",
        }
        with self.log.open("wb") as log, self.log.with_suffix(".error").open("wb") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "jobs/score_stream.py", "--conf", str(conf)],
                cwd=PROJECT,
                env=os.environ | added,
                stdout=log,
                stderr=errors,
                start_new_session=True,
            )

    @property
    def lines(self) -> list[dict[str, Any]]:
        """Whole lines only: the last may be being written."""
        return [json.loads(line) for line in self.log.read_text().splitlines(keepends=True) if line.endswith("\n")]

    def check(self) -> None:
        assert self.process.poll() is None, self.log.read_text()


@pytest.fixture
def stream_jobs(sandbox: Sandbox) -> Iterator[Callable[[], StreamJob]]:
    started: list[StreamJob] = []

    def start() -> StreamJob:
        started.append(StreamJob(sandbox))
        return started[-1]

    yield start
    for job in started:
        kill_session(job.process.pid)
        job.process.wait()


def test_a_job_logs_json_and_shows_its_own_metrics_and_sparks(
    sandbox: Sandbox, port: int, stream_jobs: Callable[[], StreamJob]
) -> None:
    sandbox.drop("a.csv", csv_file(WINE, SPIRIT, NO_NUMBER))
    job = stream_jobs()
    wait_until(lambda: shown(port).get(series("batches_total")) == 1, job.check)
    assert counters(port) == (1, 3, 2, 1, 1, 0)
    of_spark = scrape(job.page, "/metrics/prometheus")
    for metric in ("jvm_heap_used", "spark_streaming_wine_latency", "spark_streaming_wine_inputRate_total"):
        assert f"metrics_wine_driver_{metric}" in of_spark
    assert "metrics_executor_memoryUsed_bytes{" in scrape(job.page, "/metrics/executors/prometheus")

    second = stream_jobs()
    assert second.process.wait(timeout=400) == 1
    [message_line] = second.lines
    assert message_line["level"] == "ERROR"
    assert f"metrics: port {port} of 127.0.0.1 is in use by python" in message_line["message"]
    assert f"(pid {job.process.pid})" in message_line["message"]

    job.process.send_signal(signal.SIGTERM)
    assert job.process.wait(timeout=400) == 0
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))
    messages = {line["message"].split(",")[0]: line for line in job.lines}
    for line in job.lines:
        assert {"time", "level", "logger", "message", "pipeline"} <= line.keys()
        assert line["pipeline"] == "wine"
    assert messages["stopped"].get("batch_id") is None
    assert messages["batch 0: 1 of 1 files accepted"]["batch_id"] == 0
    assert messages["batch 0: 1 of 1 files accepted"]["logger"] == "penstock.pipeline.microbatch"
    [done] = [line for line in job.lines if "1 files, 3 rows in" in line["message"]]
    assert (done["logger"], done["batch_id"]) == ("penstock.pipeline.stream", 0)
