"""Parquet as other programs write it, all in one run: types, codecs and encodings, and what lies beside the data."""

import io
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession
from sandbox import Sandbox, TestRegistry

from penstock.operations.monitoring.status import read_status
from penstock.operations.reconcile.reconcile import reconcile
from penstock.pipeline.batch_record import BatchRecord

NOON = datetime(2024, 2, 29, 12, 0, 0, 123456)
FIRST, LAST = datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59, 59, 999999)
GREGORIAN = datetime(1582, 10, 4)
NANOSECONDS = int(pd.Timestamp(NOON).value)
COLUMNS = ("x", "whole", "big", "money", "at", "day", "note", "flag")
TYPES = {
    "x": pa.float64(),
    "whole": pa.int64(),
    "big": pa.decimal128(20, 0),
    "money": pa.decimal128(12, 3),
    "at": pa.timestamp("us", tz="UTC"),
    "day": pa.date32(),
    "note": pa.string(),
    "flag": pa.bool_(),
}


def parquet(column: str = "x", values: Any = None, *, more: dict[str, Any] | None = None, **options: Any) -> bytes:
    """Rows 0, 1, ... of the contract PARQUET; all columns but `column` are null."""
    given = pa.array([1.5]) if values is None else values
    rows = len(given)
    table = {"id": [str(number) for number in range(rows)]}
    table |= {"note.text" if name == "note" else name: pa.nulls(rows, TYPES[name]) for name in COLUMNS}
    table["note.text" if column == "note" else column] = given
    buffer = io.BytesIO()
    pq.write_table(pa.table(table | (more or {})), buffer, **options)
    return buffer.getvalue()


def times(*values: datetime | int | None, unit: str = "us", tz: str | None = None) -> Any:
    whole = all(value is None or isinstance(value, int) for value in values)
    return (
        pa.array(values, pa.int64()).cast(pa.timestamp(unit, tz=tz))
        if whole
        else pa.array(values, pa.timestamp(unit, tz=tz))
    )


def encoded(column: str, values: Any, encoding: str, *, page: str = "1.0") -> bytes:
    name = "note.text" if column == "note" else column
    return parquet(column, values, column_encoding={name: encoding}, use_dictionary=False, data_page_version=page)


OTHERS = {
    "time": pa.array([1], pa.time64("ns")),
    "half": pa.array(np.array([1.5], dtype=np.float16)),
    "uuid": pa.array([b"0" * 16], pa.uuid()),
    "list": pa.array([[1.5]]),
    "struct": pa.array([{"x": 1.5}]),
    "map": pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int64())),
    "nothing": pa.nulls(1),
    "huge": pa.array([Decimal(5)], pa.decimal256(60, 2)),
}
INTEGERS, FLOATS, TEXTS = [1, None, 4], [1.5, None, -2.0], ["a", None, "abé"]
MONEY = [Decimal("1.250"), None, Decimal("-3.100")]
DELTA = "DELTA_BINARY_PACKED"

#: (column, file, expected values by row)
READ: dict[str, tuple[str, bytes, list[Any]]] = {
    "int96": (
        "at",
        parquet("at", times(NOON, None, FIRST, LAST, GREGORIAN), use_deprecated_int96_timestamps=True),
        [NOON, None, FIRST, LAST, GREGORIAN],
    ),
    "ns": (
        "at",
        parquet("at", times(NANOSECONDS, None, -1000, unit="ns")),
        [NOON, None, datetime(1969, 12, 31, 23, 59, 59, 999999)],
    ),
    "ns_utc": ("at", parquet("at", times(NANOSECONDS, 0, unit="ns", tz="UTC")), [NOON, datetime(1970, 1, 1)]),
    "ns_zone": ("at", parquet("at", times(NANOSECONDS, unit="ns", tz="Europe/Berlin")), [NOON]),
    "ns_delta": ("at", encoded("at", times(NANOSECONDS, None, unit="ns"), DELTA), [NOON, None]),
    "us": ("at", parquet("at", times(NOON, FIRST, LAST, GREGORIAN, tz="UTC")), [NOON, FIRST, LAST, GREGORIAN]),
    "us_local": ("at", parquet("at", times(NOON, None)), [NOON, None]),
    "ms": ("at", parquet("at", times(5, None, unit="ms")), [datetime(1970, 1, 1, 0, 0, 0, 5000), None]),
    "s": ("at", parquet("at", times(5, None, unit="s")), [datetime(1970, 1, 1, 0, 0, 5), None]),
    "old_days": (
        "day",
        parquet("day", pa.array([date(1, 1, 1), date(1582, 10, 4), date(9999, 12, 31)])),
        [date(1, 1, 1), date(1582, 10, 4), date(9999, 12, 31)],
    ),
    "date64": ("day", parquet("day", pa.array([date(2024, 2, 29)], pa.date64())), [date(2024, 2, 29)]),
    "uint8": ("whole", parquet("whole", pa.array([255, None], pa.uint8())), [255, None]),
    "uint16": ("whole", parquet("whole", pa.array([65535], pa.uint16())), [65535]),
    "uint32": ("whole", parquet("whole", pa.array([2**32 - 1], pa.uint32())), [2**32 - 1]),
    "uint64": (
        "big",
        parquet("big", pa.array([2**64 - 1, 0, None], pa.uint64())),
        [Decimal(2**64 - 1), Decimal(0), None],
    ),
    "int8": ("whole", parquet("whole", pa.array([-128, None], pa.int8())), [-128, None]),
    "int16": ("whole", parquet("whole", pa.array([-(2**15)], pa.int16())), [-(2**15)]),
    "float32": ("x", parquet("x", pa.array([0.1], pa.float32())), [float(np.float32(0.1))]),
    "money_int32": (
        "money",
        parquet("money", pa.array(MONEY, pa.decimal128(6, 3)), store_decimal_as_integer=True),
        MONEY,
    ),
    "money_int64": (
        "money",
        parquet("money", pa.array(MONEY, pa.decimal128(12, 3)), store_decimal_as_integer=True),
        MONEY,
    ),
    "money_fixed": ("money", parquet("money", pa.array(MONEY, pa.decimal128(12, 3))), MONEY),
    "money_delta": ("money", encoded("money", pa.array(MONEY, pa.decimal128(12, 3)), "DELTA_BYTE_ARRAY"), MONEY),
    "dictionary": ("note", parquet("note", pa.array(TEXTS).dictionary_encode()), TEXTS),
    "large_string": ("note", parquet("note", pa.array(TEXTS, pa.large_string())), TEXTS),
    "string_view": ("note", parquet("note", pa.array(TEXTS, pa.string_view())), TEXTS),
    "json": ("note", parquet("note", pa.array(['{"a":1}', None], pa.json_())), ['{"a":1}', None]),
    "text_delta": ("note", encoded("note", pa.array(TEXTS), "DELTA_BYTE_ARRAY", page="2.0"), TEXTS),
    "text_lengths": ("note", encoded("note", pa.array(TEXTS), "DELTA_LENGTH_BYTE_ARRAY"), TEXTS),
    "whole_delta": ("whole", encoded("whole", pa.array(INTEGERS, pa.int32()), DELTA), INTEGERS),
    "long_delta": ("whole", encoded("whole", pa.array(INTEGERS, pa.int64()), DELTA, page="2.0"), INTEGERS),
    "day_delta": ("day", encoded("day", pa.array([date(2024, 2, 29), None]), DELTA), [date(2024, 2, 29), None]),
    "flag_lengths": ("flag", encoded("flag", pa.array([True, None, False]), "RLE", page="2.0"), [True, None, False]),
    "plain": ("x", encoded("x", pa.array(FLOATS), "PLAIN", page="2.0"), FLOATS),
    **{f"null_{name}": (name, parquet(name, pa.nulls(2)), [None, None]) for name in COLUMNS},
    **{
        f"codec_{codec}": ("x", parquet(compression=codec), [1.5])
        for codec in ("none", "snappy", "gzip", "zstd", "lz4")
    },
    "others": ("x", parquet(more=OTHERS), [1.5]),
    "others_brotli": ("x", parquet(more=OTHERS, compression=dict.fromkeys(OTHERS, "brotli")), [1.5]),
    "year=2024/part.0": ("x", parquet(), [1.5]),
    "year=2024/month=__HIVE_DEFAULT_PARTITION__/part.0": ("x", parquet(), [1.5]),
}
LOSS = "schema: column {!r} is {}, which can't be a {} without loss"
#: (file, reason)
REFUSED: dict[str, tuple[bytes, str]] = {
    "brotli": (
        parquet(compression="brotli"),
        "schema: column 'id' is compressed with BROTLI, which Spark can't unpack",
    ),
    "split": (
        parquet(use_dictionary=False, use_byte_stream_split=["x"]),
        "schema: column 'x' has the encoding BYTE_STREAM_SPLIT",
    ),
    "uint64_long": (parquet("whole", pa.array([1], pa.uint64())), LOSS.format("whole", "uint64", "long")),
    "half": (parquet("x", OTHERS["half"]), LOSS.format("x", "float16", "double") + "; write it as float32"),
    "list": (parquet("x", OTHERS["list"]), LOSS.format("x", "a list, map or struct", "double")),
    "struct": (parquet("x", OTHERS["struct"]), LOSS.format("x", "a list, map or struct", "double")),
    "time": (parquet("at", OTHERS["time"]), LOSS.format("at", "a time of day", "timestamp")),
    "uuid": (parquet("note", OTHERS["uuid"]), LOSS.format("note.text", "uuid", "string")),
    "far": (parquet("at", times(2**62, unit="ms")), "schema: column 'at' has times in milliseconds that do not fit"),
}
#: Beside the data, and no input.
SUMMARIES = ("_metadata", "_common_metadata", "year=2024/_metadata", "_SUCCESS", "_temporary/0/part.0.parquet")
SUMMARIES += (".part.0.parquet.crc", "_metadata.d/part.0.parquet")


def summary() -> bytes:
    """As dask and pyarrow write it: footers of all files, no rows."""
    collected: list[Any] = []
    schema = pa.schema([("x", pa.float64())])
    pq.write_table(pa.table({"x": [1.5]}, schema=schema), io.BytesIO(), metadata_collector=collected)
    collected[0].set_file_path("part.0.parquet")
    buffer = io.BytesIO()
    pq.write_metadata(schema, buffer, metadata_collector=collected)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def records(done: tuple[Sandbox, list[BatchRecord]]) -> list[BatchRecord]:
    return done[1]


@pytest.fixture(scope="module")
def done(
    spark: SparkSession, registry: TestRegistry, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Sandbox, list[BatchRecord]]:
    sandbox = Sandbox(root=tmp_path_factory.mktemp("parquet"), spark=spark, registry=registry)
    registry.register("echo", "echo", example=pd.DataFrame({"x": [1.5]}), outputs=pd.Series([3.0]))
    sandbox.changes = {
        "contract": "sample_contracts:PARQUET",
        "model": {"name": "echo", "max_failed_fraction": 1.0},
        "source": {"format": "parquet"},
    }
    for name, (_, content, _) in READ.items():
        sandbox.drop(f"{name}.parquet", content)
    for name, (content, _) in REFUSED.items():
        sandbox.drop(f"refused/{name}.parquet", content)
    for name in SUMMARIES:
        sandbox.drop(name, summary())
    sandbox.drop("fine.parquet", parquet("at", times(NANOSECONDS + 789, NANOSECONDS, -1, unit="ns", tz="UTC")))
    records = sandbox.run()
    return sandbox, records


def shown(value: Any) -> Any:
    return value.replace(tzinfo=None) if isinstance(value, datetime) else value


@pytest.mark.parametrize("name", READ)
def test_values(done: tuple[Sandbox, list[BatchRecord]], name: str) -> None:
    column, _, expected = READ[name]
    rows = sorted(done[0].rows("predictions", file=f"{name}.parquet"), key=lambda row: row.id)
    assert [shown(row[column]) for row in rows] == expected
    assert done[0].reasons(f"{name}.parquet") == []


@pytest.mark.parametrize("name", REFUSED)
def test_what_spark_does_not_take_is_refused(done: tuple[Sandbox, list[BatchRecord]], name: str) -> None:
    [reasons] = done[0].reasons(f"refused/{name}.parquet")
    assert reasons[0].startswith(REFUSED[name][1])


def test_a_fraction_of_a_microsecond_rejects_its_row(done: tuple[Sandbox, list[BatchRecord]]) -> None:
    sandbox, _ = done
    assert [shown(row["at"]) for row in sandbox.rows("predictions", file="fine.parquet")] == [NOON]
    rows = sorted(sandbox.rows("quarantine", file="fine.parquet"), key=lambda row: row.raw)
    advice = "and a timestamp has microseconds; round them, or write coerce_timestamps='us'"
    assert [row.reasons for row in rows] == [
        [f"row: column 'at' has nanoseconds (2024-02-29T12:00:00.123456789Z), {advice}"],
        [f"row: column 'at' has nanoseconds (1969-12-31T23:59:59.999999999Z), {advice}"],
    ]
    assert '"at":"2024-02-29T12:00:00.123456789Z"' in rows[0].raw


def test_summaries_are_in_no_ledger(done: tuple[Sandbox, list[BatchRecord]]) -> None:
    sandbox, records = done
    paths = {file.path for record in records for file in record.plan.files}
    assert len(paths) == len(READ) + len(REFUSED) + 1
    config = sandbox.config()
    assert read_status(config).backlog_files == 0
    found = reconcile(sandbox.spark, config)
    assert (found.differences, found.balance.unaccounted) == ((), 0)
