"""Where faults are tried: a folder, a Spark session that looks at the tables, a registry, and jobs as processes."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import yaml
from pyspark.sql import SparkSession
from sandbox import Sandbox, TestRegistry

from faults.killing import kill_session, signal_all
from penstock.operations.run_stream import run_pipeline
from penstock.pipeline.batch_record import BatchRecord
from penstock.pipeline.stop_file import StopFile, running_writer
from penstock.sources.checkpoint import batch_numbers

PROJECT = Path(__file__).parents[2]
#: How long to wait for what must come: only a test that fails waits so long, a slow machine is no failure.
PATIENCE_SECONDS = 600.0
#: A job's process starts and plans its small queries faster so. What is written, and in which order, is the same.
QUICK_SPARK: Mapping[str, str] = MappingProxyType(
    {
        "spark.sql.codegen.wholeStage": "false",
        "spark.sql.codegen.factoryMode": "NO_CODEGEN",
        "spark.sql.adaptive.enabled": "false",
        "spark.databricks.delta.snapshotPartitions": "1",
        "spark.sql.shuffle.partitions": "2",
    }
)
QUICK_SUBMIT = (
    "--conf spark.ui.enabled=false --master local[2] "
    "--driver-java-options '-XX:TieredStopAtLevel=1 -XX:+UseSerialGC' pyspark-shell"
)


@dataclass(frozen=True, kw_only=True)
class Bench:
    folder: Path
    spark: SparkSession
    registry: TestRegistry
    #: Where the pipelines' data is if not in `folder`: s3a://bucket/folder, at the environment's endpoint.
    place: str = ""

    def sandbox(self, name: str) -> Sandbox:
        """An empty pipeline in a folder of its own; what an interrupted run left there is there still."""
        root = self.folder / name
        root.mkdir(parents=True, exist_ok=True)
        place = f"{self.place}/{name}" if self.place else ""
        return Sandbox(root=root, spark=self.spark, registry=self.registry, place=place)


class Process:
    """A job of a sandbox's pipeline as a process with a session of its own, its output in a file."""

    def __init__(
        self,
        sandbox: Sandbox,
        job: str,
        *options: str,
        launch: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """launch: options of faults.launcher. options: further ones of the job."""
        stamp = time.monotonic_ns()
        conf = sandbox.root / f"conf-{stamp}.yaml"
        conf.write_text(yaml.safe_dump(sandbox.config().model_dump(mode="json")))
        self.output = sandbox.root / f"output-{stamp}.txt"
        command = [sys.executable, "-m", "faults.launcher", job, *launch, "--", "--conf", str(conf), *options]
        added = {
            "PENSTOCK_SPARK_LOG": str(sandbox.root / "spark.log"),
            "PYSPARK_SUBMIT_ARGS": QUICK_SUBMIT,
            "PYTHONPATH": os.pathsep.join([str(PROJECT), str(PROJECT / "tests"), os.environ.get("PYTHONPATH", "")]),
        }
        self.started = time.monotonic()
        with self.output.open("wb") as file:
            self.process = subprocess.Popen(
                command,
                cwd=PROJECT,
                env=os.environ | added | (environment or {}),
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def text(self) -> str:
        return self.output.read_text(errors="replace")

    def wait_for(self, pattern: str, *, seconds: float = PATIENCE_SECONDS) -> re.Match[str]:
        """Raises AssertionError if the output does not match in time, or the process ends without."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            ended = self.process.poll() is not None
            found = re.search(pattern, self.text)
            if found:
                return found
            if ended:
                raise AssertionError(f"ended with {self.process.returncode} and without {pattern!r}:\n{self.text}")
            time.sleep(0.05)
        raise AssertionError(f"no {pattern!r} within {seconds} s:\n{self.text}")

    def end(self, *, seconds: float = PATIENCE_SECONDS) -> int:
        return self.process.wait(timeout=seconds)

    def ends_by(self, moment: str) -> None:
        """Wait until the fault has struck that the process was started with."""
        self.wait_for("fault: kill")
        if self.end() != -signal.SIGKILL:
            raise AssertionError(f"{moment}: ended with {self.process.returncode}:\n{self.text}")

    def pause(self) -> None:
        signal_all(self.process.pid, signal.SIGSTOP)

    def go_on(self) -> None:
        signal_all(self.process.pid, signal.SIGCONT)

    def kill(self) -> None:
        kill_session(self.process.pid)
        self.process.wait()


@contextmanager
def process(sandbox: Sandbox, job: str, *options: str, launch: Sequence[str] = ()) -> Iterator[Process]:
    """Whatever happens, nothing of the process is left."""
    started = Process(sandbox, job, *options, launch=launch)
    try:
        yield started
    finally:
        started.kill()


@contextmanager
def streaming(sandbox: Sandbox) -> Iterator[Callable[[], None]]:
    """The stream in a thread of this process, stopped at the end as jobs/stop.py does it; its error is raised.

    Gives a function that raises if the stream has ended.
    """
    with ThreadPoolExecutor(max_workers=1) as executor:
        running = executor.submit(stream, sandbox)

        def check() -> None:
            if running.done():
                raise AssertionError(f"the stream ended by itself after {len(running.result())} batches")

        try:
            yield check
        finally:
            # It has no lease yet while Spark starts, and can't be asked then.
            while not running.done():
                holder = running_writer(sandbox.config(), sandbox.storage)
                if holder is not None:
                    StopFile.of(sandbox.config(), sandbox.storage).write(holder)
                time.sleep(0.2)
            running.result()


def stream(sandbox: Sandbox) -> list[BatchRecord]:
    return run_pipeline(sandbox.config(), job="score_stream", once=False, resume=False)


def last_commit(sandbox: Sandbox) -> int:
    """The number of the last micro-batch that Spark's checkpoint has as finished; -1 if there is none."""
    return max(batch_numbers(sandbox.storage, f"{sandbox.location}/checkpoint/commits"), default=-1)


def run_until(sandbox: Sandbox, batch: int, *, seconds: float = PATIENCE_SECONDS) -> None:
    """Stream until the micro-batch of that number is finished."""
    if last_commit(sandbox) >= batch:
        return
    with streaming(sandbox) as check:
        wait_for_commit(sandbox, batch, check, seconds=seconds)


def wait_for_commit(
    sandbox: Sandbox, batch: int, check: Callable[[], None], *, seconds: float = PATIENCE_SECONDS
) -> None:
    wait_until(lambda: last_commit(sandbox) >= batch, f"batch {batch} finished", check, seconds=seconds)


def wait_until(
    is_so: Callable[[], bool], what: str, check: Callable[[], None] = lambda: None, *, seconds: float = PATIENCE_SECONDS
) -> None:
    """check: raises if there is nothing to wait for any more."""
    deadline = time.monotonic() + seconds
    while not is_so():
        check()
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {seconds} s")
        time.sleep(0.2)
