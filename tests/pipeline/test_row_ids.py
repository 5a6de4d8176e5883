"""row_id is XXH64, as the library xxhash has it."""

import math
import random
from datetime import UTC, date, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest
from pyspark.sql import SparkSession
from spark_hash import spark_xxhash64

from penstock.pipeline.workload import row_id
from penstock.schemas.contract import Contract, Field
from penstock.spark.local_frames import local_frame

TYPES = {
    "source_file": "string",
    "name": "string",
    "n": "bigint",
    "small": "int",
    "x": "double",
    "single": "float",
    "is_red": "boolean",
    "placed_at": "timestamp",
    "day": "date",
}
CONTRACT_TYPES = {"bigint": "long", "int": "integer"}
CONTRACT = Contract(
    fields=tuple(
        Field(name=name, type=cast(Any, CONTRACT_TYPES.get(kind, kind)))
        for name, kind in TYPES.items()
        if name != "source_file"
    )
)


def values() -> list[tuple[Any, ...]]:
    chance = random.Random(42)
    texts = ["", "a", "é", "日本", "x" * 31, "x" * 32, "y" * 33, "z" * 1000, None]
    numbers = [0, 1, -1, 2**31 - 1, -(2**31), None]
    doubles = [0.0, -0.0, 1.5, math.nan, math.inf, -math.inf, 5e-324, 1e308, None]
    moments = [datetime(1969, 12, 31, 23, 59, 59, 999_999, UTC), datetime(2026, 11, 30, 1, 2, 3, 4, UTC), None]
    return [
        (
            f"/inbox/{number}.csv",
            chance.choice(texts),
            chance.choice([2**63 - 1, -(2**63), *numbers]),
            chance.choice(numbers),
            chance.choice([chance.gauss(0, 1), *doubles]),
            chance.choice([0.0, -0.0, 1.5, 0.125, math.inf, None]),
            chance.choice([True, False, None]),
            chance.choice(moments),
            chance.choice([date(1583, 1, 1), date(1970, 1, 1), date(2026, 11, 30), None]),
        )
        for number in range(200)
    ]


@pytest.mark.parametrize("key", [None, ("n",), ("name", "placed_at"), ("day", "small")])
def test_a_row_id_is_the_hash_of_the_row_or_of_its_key(spark: SparkSession, key: tuple[str, ...] | None) -> None:
    labels = SimpleNamespace(key=key) if key else None
    pipeline = cast(Any, SimpleNamespace(contract=CONTRACT, config=SimpleNamespace(labels=labels)))
    rows = values()
    frame = local_frame(spark, rows, ", ".join(f"{name} {kind}" for name, kind in TYPES.items()))
    found = [row[0] for row in frame.select(*row_id(pipeline)).collect()]
    places = [list(TYPES).index(name) for name in key or TYPES]
    kinds = [TYPES[name] for name in key or TYPES]
    expected = [spark_xxhash64(zip(kinds, [row[place] for place in places], strict=True)) for row in rows]
    assert found == expected
    if key is None:
        assert len(set(found)) == len(rows)


def test_a_null_leaves_the_hash_as_it_is() -> None:
    """So that rows which differ only in where a value stands share their row_id: explain and compare look at the
    columns, too."""
    assert spark_xxhash64([("double", 1.5), ("double", None)]) == spark_xxhash64([("double", None), ("double", 1.5)])
