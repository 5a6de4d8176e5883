"""The sample of an experiment: a hash that others compute as well, in shares as asked for, and never a key less."""

import math
from collections.abc import Iterator
from datetime import date

import pytest
import xxhash
from fast_spark import COMPILING
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from penstock.models.assignment import is_sampled, salt_of
from penstock.models.pinned import PinnedModel

CANDIDATE = PinnedModel(name="wine", version="8", role="candidate", source="s", created_milliseconds=1_790_000_000_123)
SALT = "wine/8/1790000000123"
KEYS = 1_000_000
FRACTIONS = (0.0001, 0.05, 0.25, 0.5, 0.9, 1.0)


def bucket(*key: str) -> int:
    found = xxhash.xxh64_intdigest("\x1f".join((SALT, *key)).encode(), seed=42)
    return (found - 2**64 if found >= 2**63 else found) % 10_000


def test_keys_are_in_the_buckets_of_their_hash(spark: SparkSession) -> None:
    assert salt_of(CANDIDATE) == SALT
    texts = [None, "", "a", "ä ☂", "x" * 100, "1"]
    keys = [(text, number, date(2026, 11, 1 + number), number % 2 == 0) for number, text in enumerate(texts * 4)]
    expected = [bucket(text or "", str(number), str(day), str(flag).lower()) for text, number, day, flag in keys]
    frame = spark.createDataFrame(keys, "text string, number long, day date, flag boolean")
    # Each fraction between a key's bucket and the next one tells its bucket.
    below, above = (
        [
            is_sampled([F.col(name) for name in frame.columns], salt=SALT, fraction=fraction / 10_000)
            for fraction in ({*expected} if is_below else {each + 1 for each in expected})
        ]
        for is_below in (True, False)
    )
    rows = frame.select("number", F.array(*below).alias("below"), F.array(*above).alias("above")).collect()
    edges = [*{*expected}], [*{each + 1 for each in expected}]
    for row in rows:
        for found, edge in zip((row.below, row.above), edges, strict=True):
            assert found == [expected[row.number] < fraction for fraction in edge]


@pytest.fixture
def compiled(spark: SparkSession) -> Iterator[SparkSession]:
    """As pipelines run it: to interpret it for a million rows takes minutes."""
    before = {name: spark.conf.get(name) for name in COMPILING}
    for name, value in COMPILING.items():
        spark.conf.set(name, value)
    yield spark
    for name, value in before.items():
        spark.conf.set(name, value)


def test_shares_of_a_million_keys_and_a_ramp_that_only_adds(compiled: SparkSession) -> None:
    keys = compiled.range(KEYS).select(
        *[
            is_sampled([F.col("id")], salt=SALT, fraction=fraction).alias(f"f{i}")
            for i, fraction in enumerate(FRACTIONS)
        ]
    )
    steps = range(len(FRACTIONS))
    lost = [F.count_if(F.col(f"f{i}") & ~F.col(f"f{i + 1}")).alias(f"lost{i}") for i in steps[:-1]]
    found = keys.agg(*[F.count_if(f"f{i}").alias(f"n{i}") for i in steps], *lost).collect()[0]
    for i, share in enumerate(FRACTIONS):
        assert abs(found[f"n{i}"] - KEYS * share) <= 4 * math.sqrt(KEYS * share * (1 - share)), share
    assert [found[f"lost{i}"] for i in steps[:-1]] == [0] * (len(FRACTIONS) - 1)
