"""Two drivers on the same tables and names: every commit that was acknowledged is there, every name has one winner."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from s3_store import Bucket
from two_drivers import Driver, Outcome, Work, drive, make_table, rows_of, together

#: `python tests/s3/demonstrate_lost_commits.py` does 50 commits to each of 3 tables.
COMMITS = 8
RACES = 10


@pytest.fixture(scope="module")
def bucket(s3_spark: SparkSession, s3: object) -> Bucket:
    return Bucket(spark=s3_spark, server=s3, name="direct")  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def work(bucket: Bucket) -> Work:
    table = bucket.url("table")
    make_table(bucket.spark, table)
    return Work(tables=[table], commits=COMMITS, races=[bucket.url(f"race-{number}") for number in range(RACES)])


@pytest.fixture(scope="module")
def outcomes(bucket: Bucket, work: Work, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Outcome]]:
    """This process is one driver, so that a single one has to be started."""
    folder: Path = tmp_path_factory.mktemp("drivers")
    other = Driver(number=1, server=bucket.server, bucket=bucket.name, work=work, folder=folder)
    try:
        yield together([other], lambda: drive(bucket.spark, 0, work))
    finally:
        other.stop()


def test_no_acknowledged_commit_is_lost_or_there_twice(outcomes: list[Outcome], work: Work, bucket: Bucket) -> None:
    acknowledged = [(table, outcome.driver, number) for outcome in outcomes for table, number in outcome.commits]
    assert len(acknowledged) == 2 * COMMITS
    [table] = work.tables
    assert Counter(rows_of(bucket.spark, table)) == Counter(acknowledged)


def test_each_name_has_one_winner_and_its_content(outcomes: list[Outcome], work: Work, bucket: Bucket) -> None:
    won = {name: outcome.driver for outcome in outcomes for name in outcome.won}
    assert sum(len(outcome.won) for outcome in outcomes) == len(won) == 2 * RACES
    prefix = bucket.url("")
    assert {name: bucket.read(name.removeprefix(prefix)).strip() for name in won} == {
        name: f"from {driver}" for name, driver in won.items()
    }
