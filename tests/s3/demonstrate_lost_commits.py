"""Shows what two drivers lose of each other's commits to Delta tables on S3, with Delta's log store and with ours.

    PYTHONPATH=tests python tests/s3/demonstrate_lost_commits.py --commits 50 --tables 3

Prints a line for each store. Exits with 1 if ours lost or doubled a commit; what Delta's loses depends on the machine.
"""

import os
import sys
import time
from argparse import ArgumentParser, Namespace
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from pyspark.sql import SparkSession
from s3_server import S3Server, s3a_settings, start_s3_server
from s3_store import LOG_STORE
from two_drivers import STOCK, Driver, Work, make_table, rows_of, small_session, together

BUCKET = "demonstration"


def main(argv: Sequence[str] | None = None) -> int:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--commits", type=int, default=10, help="of each driver to each table")
    parser.add_argument("--tables", type=int, default=1)
    options = parser.parse_args(argv)
    with TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["PENSTOCK_SPARK_LOG"] = str(folder / "spark.log")
        server = start_s3_server(folder / "s3")
        try:
            server.make_bucket(BUCKET)
            os.environ |= server.environment()
            spark = small_session(s3a_settings(server.endpoint, BUCKET))
            wrong = [compare(spark, server, store, options, folder) for store in (STOCK, LOG_STORE)]
            spark.stop()
        finally:
            server.stop()
    return 1 if wrong[-1] else 0


def compare(spark: SparkSession, server: S3Server, store: str, options: Namespace, folder: Path) -> int:
    """How many commits of two drivers with this log store are not there exactly once."""
    tables = [f"s3a://{BUCKET}/{store}/{number}" for number in range(options.tables)]
    for table in tables:
        make_table(spark, table)
    work = Work(tables=tables, commits=options.commits, log_store=store)
    own = folder / store
    own.mkdir()
    drivers = [Driver(number=number, server=server, bucket=BUCKET, work=work, folder=own) for number in range(2)]
    try:
        for driver in drivers:
            driver.wait_until_ready()
        began = time.monotonic()
        outcomes = together(drivers)
        seconds = time.monotonic() - began
    finally:
        for driver in drivers:
            driver.stop()
    reported = Counter((table, outcome.driver, number) for outcome in outcomes for table, number in outcome.commits)
    there = Counter(row for table in tables for row in rows_of(spark, table))
    lost, doubled = (reported - there).total(), (there - reported).total()
    print(f"{store}: {reported.total()} acknowledged, {lost} lost, {doubled} doubled, {seconds:.0f} s", flush=True)
    return lost + doubled


if __name__ == "__main__":
    sys.exit(main())
