"""Rows that are appended without Spark: once per transaction, also by two writers, into what Spark would make."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from threading import Barrier

import pytest
from batch_records import CONFIG
from deltalake import DeltaTable
from table_rows import read_rows

from penstock.config.pipeline import PipelineConfig
from penstock.errors import LedgerError
from penstock.schemas.judgement_tables import DECISIONS
from penstock.schemas.tables import DECISIONS as SPEC
from penstock.spark.tables import append_once, prepare_table
from penstock.storage.delta_append import append_row_once
from penstock.storage.delta_reader import open_table
from penstock.storage.delta_transactions import Transaction

NOON = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)


def config_at(root: str) -> PipelineConfig:
    return PipelineConfig.model_validate(CONFIG | {"tables": {"root": root}})


def transaction(number: int) -> Transaction:
    return Transaction(pipeline="wine", query_id="decide", batch_id=number)


def append(config: PipelineConfig, number: int, kind: str = "promote") -> bool:
    return append_row_once(config, DECISIONS, {"kind": kind, "decided_at": NOON}, transaction(number))


def numbers(config: PipelineConfig) -> list[int]:
    table = open_table(config, "decisions")
    assert table is not None
    return sorted(table.to_pyarrow_table().column("batch_id").to_pylist())


def test_a_transaction_is_appended_once(tmp_path: Path) -> None:
    config = config_at(f"{tmp_path}/tables")
    assert append(config, 0)
    assert not append(config, 0, "reject")
    assert append(config, 1)
    assert not append(config, 0)
    assert [(row.batch_id, row.kind) for row in read_rows(f"{tmp_path}/tables/decisions")] == [
        (1, "promote"),
        (0, "promote"),
    ]


def race(config: PipelineConfig, rounds: int) -> list[int]:
    """How many of four writers, which begin together, have appended each row."""

    def write(number: int) -> bool:
        barrier.wait()
        return append(config, number)

    appended = []
    with ThreadPoolExecutor(max_workers=4) as executor:
        for number in range(rounds):
            barrier = Barrier(4)
            appended.append(sum(executor.map(write, [number] * 4)))
    return appended


def test_of_writers_that_begin_together_one_appends(tmp_path: Path) -> None:
    """The table is made in the first round."""
    config = config_at(f"{tmp_path}/tables")
    assert race(config, 12) == [1] * 12
    assert numbers(config) == list(range(12))


def test_spark_reads_it_and_appends_to_it(tmp_path: Path, spark) -> None:
    config, path = config_at(f"{tmp_path}/tables"), f"{tmp_path}/tables/decisions"
    append(config, 0)
    version = DeltaTable(path).version()
    # As if Spark had made it: no column, type or comment is another one.
    prepare_table(spark, path, SPEC)
    assert DeltaTable(path).version() == version
    rows = spark.read.format("delta").load(path)
    assert rows.schema.simpleString() == SPEC.schema.simpleString()
    append_once(rows.drop("query_id", "batch_id"), path, transaction(0))
    append_once(rows.drop("query_id", "batch_id"), path, transaction(1))
    assert not append(config, 1)
    assert append(config, 2)
    assert numbers(config) == [0, 1, 2]
    assert {row.decided_at.astimezone(UTC) for row in rows.collect()} == {NOON}


def test_a_table_that_spark_made_is_appended_to(tmp_path: Path, spark) -> None:
    config = config_at(f"{tmp_path}/tables")
    prepare_table(spark, f"{tmp_path}/tables/decisions", SPEC)
    assert append(config, 0)
    assert numbers(config) == [0]


def test_a_store_that_is_away_damages_no_table(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "x")
    s3 = {"region": "eu-west-1", "endpoint": "http://127.0.0.1:9"}
    config = PipelineConfig.model_validate(CONFIG | {"tables": {"root": "s3://wine/tables"}, "s3": s3})
    with pytest.raises(LedgerError, match=r"can't be written now: .*connect.*; check the disk or store") as caught:
        append(config, 0)
    assert "\x1b" not in str(caught.value)


def test_a_table_that_can_not_be_read_is_named(tmp_path: Path) -> None:
    log = tmp_path / "tables" / "decisions" / "_delta_log"
    log.mkdir(parents=True)
    (log / "00000000000000000000.json").write_text("torn")
    with pytest.raises(LedgerError, match=r"the table .*/decisions can't be written: .*; repair or remove it"):
        append(config_at(f"{tmp_path}/tables"), 0)
