"""Drivers that commit to the same Delta tables on S3 at the same time, each a process with a JVM of its own.

Run as a script it is one driver: it says that it is ready, waits to be let go, and says what was acknowledged to it.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from s3_server import S3Server, s3a_settings
from s3_store import create_file, wins, write_log

import penstock.spark.session
from penstock.spark.session import build_session

START_SECONDS = 180
WORK_SECONDS = 3600
STOCK = "io.delta.storage.S3SingleDriverLogStore"
CREDENTIALS = "software.amazon.awssdk.auth.credentials.EnvironmentVariableCredentialsProvider"
SMALL_SPARK = {
    "spark.master": "local[1]",
    "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
    "spark.driver.memory": "1g",
    "spark.databricks.delta.snapshotPartitions": "1",
    "spark.sql.shuffle.partitions": "1",
    "spark.sql.adaptive.enabled": "false",
    "spark.ui.enabled": "false",
}


@dataclass(frozen=True, kw_only=True)
class Work:
    """commits: to each table, one row each. races: names that all drivers try to write, by both of our classes."""

    tables: Sequence[str]
    commits: int
    races: Sequence[str] = ()
    log_store: str | None = None


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """One driver's result. commits: (table, number) of those acknowledged; won: the names it wrote."""

    driver: int
    commits: list[tuple[str, int]]
    won: list[str]


def small_session(s3a: Mapping[str, str], *, log_store: str | None = None) -> SparkSession:
    """One that takes its credentials from the environment."""
    settings = SMALL_SPARK | {f"spark.hadoop.{key}": value for key, value in s3a.items()}
    settings["spark.hadoop.fs.s3a.aws.credentials.provider"] = CREDENTIALS
    if log_store:
        settings["spark.delta.logStore.s3a.impl"] = log_store
        # What it shows is what the check prevents.
        setattr(penstock.spark.session, "check_fixed_settings", lambda *_: None)  # noqa: B010
    return build_session("driver", settings=settings)


def drive(spark: SparkSession, driver: int, work: Work) -> Outcome:
    won = []
    for name in work.races:
        for way, write in (("log", write_log), ("file", create_file)):
            if wins(lambda write=write, url=f"{name}.{way}": write(spark, url, f"from {driver}")):  # type: ignore[misc]
                won.append(f"{name}.{way}")
    with ThreadPoolExecutor(len(work.tables)) as threads:
        done = list(threads.map(lambda table: commit_to(spark, driver, table, work.commits), work.tables))
    return Outcome(driver=driver, commits=[commit for commits in done for commit in commits], won=won)


def commit_to(spark: SparkSession, driver: int, table: str, commits: int) -> list[tuple[str, int]]:
    acknowledged = []
    for number in range(commits):
        rows = spark.range(1).select(F.lit(driver).alias("driver"), F.lit(number).alias("number"))
        rows.write.format("delta").mode("append").save(table)
        acknowledged.append((table, number))
    return acknowledged


def make_table(spark: SparkSession, table: str) -> None:
    spark.createDataFrame([], "driver int, number int").write.format("delta").save(table)


def rows_of(spark: SparkSession, table: str) -> list[tuple[str, int, int]]:
    rows = spark.read.format("delta").load(table).collect()
    return [(table, row["driver"], row["number"]) for row in rows]


class Driver:
    """A process that does `work` on request. They communicate by files, since its JVM may also write to its output."""

    def __init__(self, *, number: int, server: S3Server, bucket: str, work: Work, folder: Path) -> None:
        self.number = number
        self.folder = folder / f"driver-{number}"
        self.folder.mkdir()
        settings = s3a_settings(server.endpoint, bucket)
        self.put("order.json", {"driver": number, "work": vars(work), "settings": settings})
        path = Path(__file__).parent
        environment = {
            "PYTHONPATH": f"{path.parent}:{path.parents[1]}",
            "PENSTOCK_SPARK_LOG": str(self.folder / "spark.log"),
        }
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, __file__],
                env=inherited() | server.environment() | environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
            )

    @property
    def output(self) -> Path:
        return self.folder / "output.txt"

    def put(self, name: str, content: object) -> None:
        put(self.folder / name, content)

    def wait_until_ready(self) -> None:
        self.wait_for("ready", START_SECONDS)

    def outcome(self) -> Outcome:
        answer = self.wait_for("outcome.json", WORK_SECONDS)
        self.process.wait(timeout=60)
        commits = [(table, number) for table, number in answer["commits"]]
        return Outcome(driver=self.number, commits=commits, won=answer["won"])

    def wait_for(self, name: str, seconds: float) -> Any:
        deadline = time.monotonic() + seconds
        while not (self.folder / name).exists():
            assert self.process.poll() is None, f"driver {self.number} ended:\n{self.output.read_text()}"
            assert time.monotonic() < deadline, f"driver {self.number} gave no {name} within {seconds} s"
            time.sleep(0.02)
        return json.loads((self.folder / name).read_text())

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()


def put(path: Path, content: object) -> None:
    """Whole or not at all: the other side looks for it all the time."""
    made = path.with_suffix(".new")
    made.write_text(json.dumps(content))
    made.rename(path)


def inherited() -> dict[str, str]:
    """This process' environment, less what would turn the driver's JVM into ours or to another S3."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("PYSPARK_", "SPARK_", "AWS_"))}


def together(drivers: Sequence[Driver], meanwhile: Callable[[], Outcome] | None = None) -> list[Outcome]:
    """Let all of them go at the same time, this process with them if it has something to do."""
    for driver in drivers:
        driver.wait_until_ready()
    for driver in drivers:
        driver.put("go", True)
    ours = [meanwhile()] if meanwhile else []
    return ours + [driver.outcome() for driver in drivers]


def main() -> None:
    """Be one driver, in the folder that this process was started in."""
    order = json.loads(Path("order.json").read_text())
    work = Work(**order["work"])
    spark = small_session(order["settings"], log_store=work.log_store)
    for table in work.tables:
        spark.read.format("delta").load(table).count()
    put(Path("ready"), True)
    deadline = time.monotonic() + START_SECONDS
    while not Path("go").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    put(Path("outcome.json"), vars(drive(spark, order["driver"], work)))
    spark.stop()


if __name__ == "__main__":
    main()
