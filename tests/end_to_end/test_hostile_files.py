"""Files that Spark can't take, any of which would end the stream for good; all in one inbox, through the whole job."""

import gzip
import io
import json
from collections import defaultdict
from datetime import UTC, date, datetime
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import Row, SparkSession
from sandbox import Sandbox, TestRegistry
from service import predict, service

from penstock.operations.reconcile.reconcile import reconcile
from penstock.pipeline.attempts import attempts_path
from penstock.sources.formats.csv_header import MAX_COLUMNS
from penstock.sources.formats.line_lengths import MAX_LINE_BYTES

HEADER = "x,at,day,note"
GOOD = "1.5,2024-02-29T12:00:00Z,2024-02-29,fine"


def lines(*texts: str, header: str = HEADER) -> bytes:
    return ("\n".join([header, *texts]) + "\n").encode()


def parquet(columns: dict[str, list[Any]] | None = None, **options: Any) -> bytes:
    """A good row, with other columns in its place."""
    given = {"x": [1.5], "at": [datetime(2024, 2, 29, 12, tzinfo=UTC)], "day": [date(2024, 2, 29)], "note": ["fine"]}
    buffer = io.BytesIO()
    pq.write_table(pa.table(given | (columns or {})), buffer, **options)
    return buffer.getvalue()


#: Whatever a file system lets people write. Of those that Spark's file source overlooks, none may hold up the others.
NAMES = (
    "2026-11-21T10:00:00.csv",
    "a:b[1].csv",
    ":/x.csv",
    "s3a:x.csv",
    "c:/drive.csv",
    "day=10:00/part.csv",
    "with space.csv",
    " leading and trailing .csv",
    "%41%zz.csv",
    "a#b.csv",
    "a?b.csv",
    "*.csv",
    "[x].csv",
    "{a,b}.csv",
    "back\\slash.csv",
    "quotes'\"`$x.csv",
    "line\nbreak.csv",
    "carriage\rreturn.csv",
    "tab\t.csv",
    "\u2028.csv",
    "e\u0301 中 \U0001f600.csv",
    "-x.csv",
    "~x.csv",
    "a+b&c=d;e.csv",
)
OVERLOOKED = (".hidden.csv", "_started.csv", "..csv", "._COPYING_", "x.csv._COPYING_", "no text \udcff.csv")

FILES: dict[str, bytes] = {
    **dict.fromkeys(NAMES, lines(GOOD)),
    **dict.fromkeys(OVERLOOKED, lines(GOOD)),
    "checksum.csv": lines(GOOD),
    # Hadoop takes 4 bytes of it for the number of bytes in a checksum, and reserves as much memory.
    ".checksum.csv.crc": b"crc\0\x7f\xff\xff\xffgarbage",
    "many_fields.csv": lines(GOOD, "1," * 25_000, GOOD.replace("fine", '"' + "," * 25_000 + '"'), GOOD),
    "many_columns.csv": lines(header=HEADER + "".join(f",c{number}" for number in range(MAX_COLUMNS))),
    "unclosed.csv": lines('"' + "," * 25_000, GOOD),
    "giant.csv.gz": gzip.compress(lines(GOOD, "1" * (MAX_LINE_BYTES + 1)), compresslevel=1),
    "damaged_giant.csv": lines(GOOD) + b"\xff\\" + b"1" * (MAX_LINE_BYTES - 2) + b"\n",
    "giant.csv": lines(GOOD, "1" * (MAX_LINE_BYTES + 1), GOOD),
    "giant.json.gz": gzip.compress(b'{"x": 1.5, "note": "' + b"x" * MAX_LINE_BYTES + b'"}', compresslevel=1),
    "deep.json": b'{"x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}\n" + b'{"x": 1.5, "at": null, "day": null}\n',
    "long_number.json": b'{"x": ' + b"1" * 100_000 + b"}\n" + b'{"x": 1e' + b"9" * 100_000 + b"}\n",
    "long_name.json": b'{"' + b"n" * 200_000 + b'": 1, "x": 1.5}\n',
    "sentinels.csv": lines(
        *[f"1.5,{text},," for text in ("9999-12-31", "0001-01-01", "9999-12-31T23:59:59.999999Z", "1677-09-21")],
        *[f"1.5,,{text}," for text in ("9999-12-31", "0001-01-01")],
        "1.5,2262-04-11T23:47:16.854776Z,,",
        "1.5,2262-04-11T23:47:16.854775Z,2262-04-11,",
        "1.5,1677-09-21T00:12:43.145225Z,1677-09-22,",
        GOOD,
    ),
    "ends.parquet": parquet(
        {
            "x": [1.5] * 4,
            "at": pa.array([2**63 - 1, -(2**63), 0, -(10**16)], pa.int64()).cast(pa.timestamp("us", tz="UTC")),
            "day": pa.array([2**31 - 1, -(2**31), 0, -719_162], pa.int32()).cast(pa.date32()),
            "note": ["fine"] * 4,
        }
    ),
    "brotli.parquet": parquet(compression="brotli"),
    "split.parquet": parquet(use_dictionary=False, column_encoding={"x": "BYTE_STREAM_SPLIT"}),
    "lz4.parquet": parquet(compression="lz4"),
    "checked.parquet": parquet(write_page_checksum=True, data_page_version="2.0"),
    "utf16.csv": lines(GOOD).decode().encode("utf-16"),
    "utf32.csv": lines(GOOD).decode().encode("utf-32"),
    "returns.csv": lines(GOOD).replace(b"\n", b"\r"),
}
REFUSED = {
    "many_columns.csv": f"header: has {MAX_COLUMNS + 4:,} columns",
    "giant.csv.gz": "file: has a line of more than 16 MiB",
    "giant.csv": "file: has a line of more than 16 MiB",
    "giant.json.gz": "file: has a line of more than 16 MiB",
    "utf16.csv": "file: is text in UTF-16, not CSV",
    "utf32.csv": "file: is text in UTF-32, not CSV",
}
#: Refused with what Spark says of them, or read; whichever it is, each row is accounted for.
ROWS_OF_PARQUET = {name: pq.read_metadata(io.BytesIO(FILES[name])).num_rows for name in FILES if "parquet" in name}


@pytest.fixture(scope="module")
def done(spark: SparkSession, registry: TestRegistry, tmp_path_factory: pytest.TempPathFactory) -> Sandbox:
    sandbox = Sandbox(root=tmp_path_factory.mktemp("hostile"), spark=spark, registry=registry)
    now = pd.Timestamp("2024-01-01")
    one = pd.DataFrame({"x": [1.5], "at": [now], "day": [now]})
    registry.register("timed", "timed", example=one, outputs=pd.Series([1.5]))
    sandbox.changes = {"contract": "sample_contracts:TIMED", "model": {"name": "timed"}}
    for name, content in FILES.items():
        sandbox.drop(name, content)
    sandbox.run()
    return sandbox


Rows = dict[str, list[Row]]


def by_file(sandbox: Sandbox, table: str, *columns: str) -> Rows:
    """By Spark: Python has no year 294247."""
    found: Rows = defaultdict(list)
    for row in sandbox.table(table).select("source_file", *columns).collect():
        found[row.source_file.removeprefix(f"{sandbox.inbox}/")].append(row)
    return found


@pytest.fixture(scope="module")
def predictions(done: Sandbox) -> Rows:
    return by_file(done, "predictions", "prediction", "error")


@pytest.fixture(scope="module")
def quarantine(done: Sandbox) -> Rows:
    return by_file(done, "quarantine", "stage", "reasons")


@pytest.mark.parametrize("name", [*NAMES, "checksum.csv", "returns.csv", "lz4.parquet", "checked.parquet"])
def test_a_file_is_read_whatever_its_name(predictions: Rows, quarantine: Rows, name: str) -> None:
    assert [(row.prediction, row.error) for row in predictions[name]] == [(3.0, None)]
    assert quarantine[name] == []


@pytest.mark.parametrize("name", OVERLOOKED)
def test_a_file_that_the_stream_overlooks_is_in_no_table(predictions: Rows, quarantine: Rows, name: str) -> None:
    assert (predictions[name], quarantine[name]) == ([], [])


@pytest.mark.parametrize("name", REFUSED)
def test_a_file_is_refused_for_what_it_is(predictions: Rows, quarantine: Rows, name: str) -> None:
    [row] = quarantine[name]
    assert row.stage == "file"
    assert row.reasons[0].startswith(REFUSED[name])
    assert predictions[name] == []


@pytest.mark.parametrize("name", ROWS_OF_PARQUET)
def test_what_spark_can_not_read_costs_its_file(predictions: Rows, quarantine: Rows, name: str) -> None:
    refused = [row.reasons for row in quarantine[name] if row.stage == "file"]
    if refused:
        [reasons] = refused
        for reason in reasons:
            assert reason.startswith(("file: ", "schema: "))
            assert len(reason) < 400
            assert "\n" not in reason
            assert "at org.apache" not in reason
    assert len(predictions[name]) + len(quarantine[name]) == (1 if refused else ROWS_OF_PARQUET[name])


def test_what_only_spark_can_not_read_is_refused_with_its_cause(quarantine: Rows) -> None:
    [row] = quarantine["brotli.parquet"]
    assert "brotli" in row.reasons[0].lower()


def test_a_line_of_too_many_fields_costs_itself(predictions: Rows, quarantine: Rows) -> None:
    assert [row.reasons for row in quarantine["many_fields.csv"]] == [["row: has 25001 fields where the header has 4"]]
    assert len(predictions["many_fields.csv"]) == 3
    assert [row.reasons for row in quarantine["unclosed.csv"]] == [["row: a quote is opened and never closed"]]
    assert len(predictions["unclosed.csv"]) == 1


def test_a_json_line_that_no_parser_follows_costs_itself(predictions: Rows, quarantine: Rows) -> None:
    assert len(predictions["deep.json"]) == 1
    assert len(quarantine["deep.json"]) == 1
    assert len(quarantine["long_number.json"]) == 2
    assert len(predictions["long_name.json"]) + len(quarantine["long_name.json"]) == 1


def test_a_time_beyond_the_model_s_costs_its_row(predictions: Rows, quarantine: Rows) -> None:
    assert quarantine["sentinels.csv"] == []
    errors = [row.error for row in predictions["sentinels.csv"]]
    assert errors.count(None) == 3
    found = sorted(error.split(" is no time")[0] for error in errors if error)
    assert found == [
        "at: 0001-01-01 00:00:00",
        "at: 1677-09-21 00:00:00",
        "at: 2262-04-11 23:47:16.854776",
        "at: 9999-12-31 00:00:00",
        "at: 9999-12-31 23:59:59.999999",
        "day: 0001-01-01",
        "day: 9999-12-31",
    ]
    assert [row.prediction for row in predictions["sentinels.csv"] if row.error is None] == [3.0] * 3


def test_the_batch_adds_up(done: Sandbox, predictions: Rows, quarantine: Rows) -> None:
    [record] = done.rows("batches")
    expected = {str(done.inbox / name) for name in FILES if name not in OVERLOOKED and not name.endswith(".crc")}
    assert {file.path for file in record.files} == expected
    assert record.accepted == sum(map(len, predictions.values()))
    rows = [row for rows in quarantine.values() for row in rows]
    assert record.quarantined == sum(row.stage != "file" for row in rows)
    assert record.files_refused == sum(row.stage == "file" for row in rows)
    assert predictions.keys() | quarantine.keys() <= FILES.keys()


def test_the_books_of_the_inbox_agree(done: Sandbox) -> None:
    assert reconcile(done.spark, done.config()).differences == ()


def test_a_replay_of_what_is_unchanged_changes_nothing(done: Sandbox) -> None:
    assert done.replay() == []
    assert done.run() == []


def test_a_file_that_ends_the_process_is_refused_at_last(sandbox: Sandbox) -> None:
    """As two runs leave it that ended while they read the file, after two that ended in the batch."""
    for name in ("deadly.csv", "fine.csv"):
        sandbox.drop(name, lines(GOOD))
    sandbox.registry.register("small-echo", "echo", example=pd.DataFrame({"x": [1.5]}), outputs=pd.Series([1.5]))
    sandbox.changes = {"contract": "sample_contracts:SMALL", "model": {"name": "small-echo"}}
    deadly = str(sandbox.inbox / "deadly.csv")
    record = {"batch_id": 0, "began": 4, "trying": deadly, "deaths": {deadly: 1}}
    sandbox.storage.create(attempts_path(f"{sandbox.root}/checkpoint"), json.dumps(record).encode())
    [done] = sandbox.run()
    assert (done.accepted, done.files_refused) == (1, 1)
    [[reason]] = sandbox.reasons("deadly.csv")
    assert reason.startswith("file: the process ended 2 times while it read this file alone (")
    assert sandbox.replay() == []
    sandbox.drop("deadly.csv", lines(GOOD, GOOD))
    [replayed] = sandbox.replay()
    assert replayed.accepted == 2


def test_the_service_fails_the_same_rows_alone(done: Sandbox) -> None:
    rows = [
        {"x": 1.5, "at": "9999-12-31"},
        {"x": 2.5, "at": "2024-02-29", "day": "2024-02-29"},
        {"x": 1.5, "day": "0001-01-01"},
    ]
    with service(done.spark, done.config()) as client:
        found = predict(client, "timed", *[{"at": None, "day": None, "note": None} | row for row in rows])
    beyond = " is no time that a model can be given; expected 1677-09-21 to 2262-04-11"
    assert found == [
        {"error": f"at: 9999-12-31 00:00:00{beyond}"},
        {"prediction": 5.0},
        {"error": f"day: 0001-01-01{beyond}"},
    ]
