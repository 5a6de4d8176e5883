"""Compares the tables of `make demo` with those of `make demo-s3`, row for row; each run once, in a fresh clone.

    eval "$(.venv/bin/python jobs/servers.py env)"
    PYTHONPATH=tests .venv/bin/python tests/processes/compare_demos.py warehouse "s3a://$PENSTOCK_BUCKET"

Ends with 1 where they differ.
"""

import re
import sys
from collections import Counter
from typing import Any

import click
from faults.feeds import plain
from pyspark.sql import SparkSession

from penstock.config.pipeline import S3Config
from penstock.spark.pipeline_settings import s3_settings
from penstock.spark.session import build_session

TABLES = {
    "wine": ("predictions", "quarantine", "batches"),
    "macro": ("forecasts", "observations", "lags", "quarantine", "batches"),
}
#: What no two runs share: the clock, and the query.
OF_THE_RUN = (
    "query_id",
    "row_id",
    "scored_at",
    "observed_at",
    "quarantined_at",
    "started_at",
    "finished_at",
    "resolved_at",
)
OF_BATCHES = ("files", "seconds")


def rows(spark: SparkSession, path: str) -> Counter[tuple[Any, ...]]:
    """A table's rows; of a file its name, without the time that the demo begins it with."""
    frame = spark.read.format("delta").load(path).drop(*OF_THE_RUN, *OF_BATCHES)
    return Counter(tuple(repr(plain(named(value))) for value in row) for row in frame.collect())


def named(value: Any) -> Any:
    return re.sub(r"\S*/\d{8}-\d{6}-", "", value) if isinstance(value, str) else value


@click.command(help=__doc__)
@click.argument("folders", nargs=2)
def command(folders: tuple[str, str]) -> int:
    spark, different = build_session("compare-demos", settings=s3_settings(S3Config())), 0
    for pipeline, tables in TABLES.items():
        for table in tables:
            one, other = (rows(spark, f"{folder}/{pipeline}/tables/{table}") for folder in folders)
            only = (one - other).total(), (other - one).total()
            click.echo(f"{pipeline} {table}: {one.total()} and {other.total()} rows, only in one of them {only}")
            different += sum(only)
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(command(standalone_mode=False))
