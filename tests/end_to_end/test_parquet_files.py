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


def parquet(columns: dict[str, Any] | None = None, **options: Any) -> bytes:
    """Rows 0, 1, 2 of the contract PARQUET; columns of its that are not given are null."""
    table = {"id": ["0", "1", "2"]}
    table |= {header(name): pa.nulls(3, kind) for name, kind in TYPES.items()}
    table |= {header(name): values for name, values in (columns or {"x": FLOATS}).items()}
    buffer = io.BytesIO()
    pq.write_table(pa.table(table), buffer, **options)
    return buffer.getvalue()


def header(name: str) -> str:
    return "note.text" if name == "note" else name


def times(*values: datetime | int | None, unit: str = "us", tz: str | None = None) -> Any:
    whole = all(value is None or isinstance(value, int) for value in values)
    return (
        pa.array(values, pa.int64()).cast(pa.timestamp(unit, tz=tz))
        if whole
        else pa.array(values, pa.timestamp(unit, tz=tz))
    )


INTEGERS, FLOATS, TEXTS, FLAGS = [1, None, 4], [1.5, None, -2.0], ["a", None, "abé"], [True, None, False]
MONEY = [Decimal("1.250"), None, Decimal("-3.100")]
DAYS = [date(1, 1, 1), date(1582, 10, 4), date(9999, 12, 31)]
NOONS, OLD, MILLISECONDS = [NOON, None, NOON], [FIRST, LAST, GREGORIAN], [datetime(1970, 1, 1, 0, 0, 5), None, None]
MONEY_TYPE, SMALL_MONEY_TYPE = pa.decimal128(12, 3), pa.decimal128(6, 3)
NANOS = (NANOSECONDS, None, NANOSECONDS)
#: Of types that no contract has.
OTHERS = {
    "time": pa.array([1, 2, 3], pa.time64("ns")),
    "half": pa.array(np.array([1.5] * 3, dtype=np.float16)),
    "uuid": pa.array([b"0" * 16] * 3, pa.uuid()),
    "list": pa.array([[1.5]] * 3),
    "struct": pa.array([{"x": 1.5}] * 3),
    "map": pa.array([[("a", 1)]] * 3, pa.map_(pa.string(), pa.int64())),
    "nothing": pa.nulls(3),
    "huge": pa.array([Decimal(5)] * 3, pa.decimal256(60, 2)),
}
DELTA = {"at": "DELTA_BINARY_PACKED", "whole": "DELTA_BINARY_PACKED", "day": "DELTA_BINARY_PACKED", "x": "PLAIN"}
DELTA |= {"note.text": "DELTA_BYTE_ARRAY", "money": "DELTA_BYTE_ARRAY"}
PLAIN_FILE = (parquet(), {"x": FLOATS})

#: (file, expected values of its rows by column)
READ: dict[str, tuple[bytes, dict[str, list[Any]]]] = {
    "athena": (
        parquet(
            {
                "at": times(*OLD),
                "whole": pa.array([255, None, 0], pa.uint8()),
                "big": pa.array([2**64 - 1, 0, None], pa.uint64()),
                "x": pa.array([0.1, None, -2.0], pa.float32()),
                "money": pa.array(MONEY, SMALL_MONEY_TYPE),
                "note": pa.array(TEXTS).dictionary_encode(),
                "day": pa.array([date(2024, 2, 29), None, None], pa.date64()),
            },
            use_deprecated_int96_timestamps=True,
            store_decimal_as_integer=True,
        ),
        {
            "at": OLD,
            "whole": [255, None, 0],
            "big": [Decimal(2**64 - 1), Decimal(0), None],
            "x": [float(np.float32(0.1)), None, -2.0],
            "money": MONEY,
            "note": TEXTS,
            "day": [date(2024, 2, 29), None, None],
        },
    ),
    "pandas": (
        parquet(
            {
                "at": times(NANOSECONDS, None, -1000, unit="ns"),
                "whole": pa.array([65535, None, 0], pa.uint16()),
                "money": pa.array(MONEY, MONEY_TYPE),
                "note": pa.array(TEXTS, pa.large_string()),
                "day": pa.array(DAYS),
            }
        ),
        {
            "at": [NOON, None, datetime(1969, 12, 31, 23, 59, 59, 999999)],
            "whole": [65535, None, 0],
            "money": MONEY,
            "note": TEXTS,
            "day": DAYS,
        },
    ),
    "zone": (
        parquet(
            {
                "at": times(*NANOS, unit="ns", tz="Europe/Berlin"),
                "whole": pa.array([2**32 - 1, None, 0], pa.uint32()),
                "money": pa.array(MONEY, MONEY_TYPE),
                "note": pa.array(['{"a":1}', None, "1"], pa.json_()),
            },
            store_decimal_as_integer=True,
        ),
        {"at": NOONS, "whole": [2**32 - 1, None, 0], "money": MONEY, "note": ['{"a":1}', None, "1"]},
    ),
    "utc": (
        parquet({"at": times(*OLD, tz="UTC"), "whole": pa.array([-128, None, 127], pa.int8())}),
        {"at": OLD, "whole": [-128, None, 127]},
    ),
    "local": (parquet({"at": times(*OLD), "note": pa.array(TEXTS, pa.string_view())}), {"at": OLD, "note": TEXTS}),
    "milliseconds": (parquet({"at": times(5000, None, None, unit="ms")}), {"at": MILLISECONDS}),
    "seconds": (parquet({"at": times(5, None, None, unit="s")}), {"at": MILLISECONDS}),
    "nulls": (parquet({name: pa.nulls(3) for name in TYPES}), {name: [None] * 3 for name in TYPES}),
    **{
        f"delta_pages_{page[0]}": (
            parquet(
                {
                    "at": times(*NANOS, unit="ns"),
                    "whole": pa.array(INTEGERS, pa.int32()),
                    "money": pa.array(MONEY, MONEY_TYPE),
                    "note": pa.array(TEXTS),
                    "day": pa.array(DAYS),
                    "x": pa.array(FLOATS),
                    "flag": pa.array(FLAGS),
                },
                column_encoding=DELTA | {"note.text": text, "flag": "RLE"},
                use_dictionary=False,
                data_page_version=page,
            ),
            {"at": NOONS, "whole": INTEGERS, "money": MONEY, "note": TEXTS, "day": DAYS, "x": FLOATS, "flag": FLAGS},
        )
        for page, text in (("1.0", "DELTA_LENGTH_BYTE_ARRAY"), ("2.0", "DELTA_BYTE_ARRAY"))
    },
    **{
        f"codec_{codec}": (parquet(compression=codec), {"x": FLOATS})
        for codec in ("none", "snappy", "gzip", "zstd", "lz4")
    },
    "others": (parquet({"x": FLOATS, **OTHERS}), {"x": FLOATS}),
    "others_brotli": (
        parquet({"x": FLOATS, **OTHERS}, compression=dict.fromkeys(OTHERS, "brotli")),
        {"x": FLOATS},
    ),
    "year=2024/part.0": PLAIN_FILE,
    "year=2024/month=__HIVE_DEFAULT_PARTITION__/part.0": PLAIN_FILE,
}
LOSS = "schema: column {!r} is {}, which can't be a {} without loss"
#: (file, reason)
REFUSED: dict[str, tuple[bytes, str]] = {
    "brotli": (parquet(compression="brotli"), "schema: column 'id' is compressed with BROTLI, which Spark can't"),
    "split": (
        parquet(use_dictionary=False, use_byte_stream_split=["x"]),
        "schema: column 'x' has the encoding BYTE_STREAM_SPLIT",
    ),
    "uint64_long": (parquet({"whole": pa.array([1, 2, 3], pa.uint64())}), LOSS.format("whole", "uint64", "long")),
    "half": (parquet({"x": OTHERS["half"]}), LOSS.format("x", "float16", "double") + "; write it as float32"),
    "list": (parquet({"x": OTHERS["list"]}), LOSS.format("x", "a list, map or struct", "double")),
    "struct": (parquet({"x": OTHERS["struct"]}), LOSS.format("x", "a list, map or struct", "double")),
    "time": (parquet({"at": OTHERS["time"]}), LOSS.format("at", "a time of day", "timestamp")),
    "uuid": (parquet({"note": OTHERS["uuid"]}), LOSS.format("note.text", "uuid", "string")),
    "far": (parquet({"at": times(2**62, 0, 0, unit="ms")}), "schema: column 'at' has times in milliseconds that"),
}
FINE = parquet({"at": times(NANOSECONDS + 789, NANOSECONDS, -1, unit="ns", tz="UTC")})
#: Beside the data, and no input.
SUMMARIES: tuple[str, ...] = (
    "_metadata",
    "_common_metadata",
    "year=2024/_metadata",
    "_SUCCESS",
    "_temporary/0/part.0.parquet",
)
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
def done(
    spark: SparkSession, registry: TestRegistry, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Sandbox, list[BatchRecord]]:
    sandbox = Sandbox(root=tmp_path_factory.mktemp("parquet"), spark=spark, registry=registry)
    registry.register("echo", "echo", example=pd.DataFrame({"x": [1.5]}), outputs=pd.Series([3.0]))
    sandbox.changes = {
        "contract": "sample_contracts:PARQUET",
        "model": {"name": "echo", "max_failed_fraction": 1.0},
        "source": {"format": "parquet", "max_files_per_trigger": 1000},
    }
    for name, (content, _) in READ.items():
        sandbox.drop(f"{name}.parquet", content)
    for name, (content, _) in REFUSED.items():
        sandbox.drop(f"refused/{name}.parquet", content)
    for name in SUMMARIES:
        sandbox.drop(name, summary())
    sandbox.drop("fine.parquet", FINE)
    records = sandbox.run()
    sandbox.drop("late/_metadata", summary())
    return sandbox, [*records, *sandbox.run()]


def shown(value: Any) -> Any:
    return value.replace(tzinfo=None) if isinstance(value, datetime) else value


@pytest.mark.parametrize("name", READ)
def test_values(done: tuple[Sandbox, list[BatchRecord]], name: str) -> None:
    rows = sorted(done[0].rows("predictions", file=f"{name}.parquet"), key=lambda row: row.id)
    expected = READ[name][1]
    assert {column: [shown(row[column]) for row in rows] for column in expected} == expected
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
    assert [len(record.plan.files) for record in records] == [len(paths), 0]
    config = sandbox.config()
    assert read_status(config).backlog_files == 0
    found = reconcile(sandbox.spark, config)
    assert (found.differences, found.balance.unaccounted) == ((), 0)


def test_a_replay_of_what_is_rejected_still_changes_nothing(done: tuple[Sandbox, list[BatchRecord]]) -> None:
    """Last of all: the reasons are the same, so that none of the rows is taken."""
    sandbox, _ = done
    assert sandbox.replay() == []
    assert {row.replayed_in for row in sandbox.rows("quarantine")} == {None}
