"""Drivers that commit to the same Delta tables on S3 at the same time, each a process with a JVM of its own.

Run as a script it is one driver: it says `ready`, waits for a file, and prints what was acknowledged to it.
"""

import json
import os
import subprocess
import sys
import time
from argparse import ArgumentParser
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from s3_server import S3Server, s3a_settings
from s3_store import create_file, wins, write_log

from penstock.session import build_session

START_SECONDS = 180
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
    """What one driver was told. commits: (table, number) of those acknowledged; won: the names it wrote."""

    driver: int
    commits: list[tuple[str, int]]
    won: list[str]


def small_session(s3a: Mapping[str, str], *, log_store: str | None = None) -> SparkSession:
    """One that takes its credentials from the environment."""
    settings = SMALL_SPARK | {f"spark.hadoop.{key}": value for key, value in s3a.items()}
    settings["spark.hadoop.fs.s3a.aws.credentials.provider"] = CREDENTIALS
    if log_store:
        settings["spark.delta.logStore.s3a.impl"] = log_store
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
    """A process that does `work` once it is told to."""

    def __init__(self, *, number: int, server: S3Server, bucket: str, work: Work, folder: Path) -> None:
        self.number = number
        self.go = folder / f"go-{number}"
        self.log = folder / f"driver-{number}.log"
        order = {"driver": number, "work": vars(work), "settings": s3a_settings(server.endpoint, bucket)}
        order |= {"go": str(self.go)}
        path = Path(__file__).parent
        environment = {"PYTHONPATH": f"{path.parent}:{path.parents[1]}", "PENSTOCK_SPARK_LOG": f"{self.log}.spark"}
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, __file__, "--order", json.dumps(order)],
                env=inherited() | server.environment() | environment,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=folder,
                text=True,
            )

    def wait_until_ready(self) -> None:
        assert self.line() == "ready"

    def outcome(self) -> Outcome:
        told = json.loads(self.line())
        self.process.wait(timeout=60)
        commits = [(table, number) for table, number in told["commits"]]
        return Outcome(driver=self.number, commits=commits, won=told["won"])

    def line(self) -> str:
        assert self.process.stdout is not None
        line = self.process.stdout.readline().strip()
        assert line, f"driver {self.number} ended:\n{self.log.read_text()}"
        return line

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()


def inherited() -> dict[str, str]:
    """This process' environment, less what would turn the driver's JVM into ours or to another S3."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("PYSPARK_", "SPARK_", "AWS_"))}


def together(drivers: Sequence[Driver], meanwhile: Callable[[], Outcome] | None = None) -> list[Outcome]:
    """Let all of them go at the same time, this process with them if it has something to do."""
    for driver in drivers:
        driver.wait_until_ready()
    for driver in drivers:
        driver.go.touch()
    ours = [meanwhile()] if meanwhile else []
    return ours + [driver.outcome() for driver in drivers]


def main(argv: Sequence[str] | None = None) -> None:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--order", type=json.loads, required=True)
    order = parser.parse_args(argv).order
    work = Work(**order["work"])
    spark = small_session(order["settings"], log_store=work.log_store)
    for table in work.tables:
        spark.read.format("delta").load(table).count()
    print("ready", flush=True)
    deadline = time.monotonic() + START_SECONDS
    while not Path(order["go"]).exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    print(json.dumps(vars(drive(spark, order["driver"], work))), flush=True)
    spark.stop()


if __name__ == "__main__":
    main()
