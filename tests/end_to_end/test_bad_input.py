"""Every kind of bad input in one inbox, through the whole job. What each file costs is asserted file by file."""

import gzip
import time
from collections import defaultdict
from typing import Any

import pandas as pd
import pytest
from bad_files import FILES, GOOD, REASONS, REFUSED_WITH, SCORED, lines, parquet, with_alcohol
from pyspark.sql import Row, SparkSession
from sandbox import WINE_SCORE, Sandbox, TestRegistry, wine, with_damaged_pages

from penstock.operations.reconcile.files import State
from penstock.operations.reconcile.reconcile import reconcile
from penstock.sources.admission import admit_files
from penstock.sources.checkpoint import Arrival
from penstock.sources.settling import settle


@pytest.fixture(scope="module")
def done(spark: SparkSession, registry: TestRegistry, tmp_path_factory: pytest.TempPathFactory) -> Sandbox:
    sandbox = Sandbox(root=tmp_path_factory.mktemp("bad_input"), spark=spark, registry=registry)
    for name, content in FILES.items():
        sandbox.drop(name, content)
    sandbox.run()
    return sandbox


@pytest.fixture(scope="module")
def record(done: Sandbox) -> dict[str, Any]:
    [row] = done.rows("batches")
    return row.asDict()


Rows = dict[str, list[Row]]


def by_file(sandbox: Sandbox, table: str) -> Rows:
    """A table's rows by the file's name in the inbox."""
    found: Rows = defaultdict(list)
    for row in sandbox.rows(table):
        found[row.source_file.removeprefix(f"{sandbox.inbox}/")].append(row)
    return found


@pytest.fixture(scope="module")
def predictions(done: Sandbox) -> Rows:
    return by_file(done, "predictions")


@pytest.fixture(scope="module")
def quarantine(done: Sandbox) -> Rows:
    return by_file(done, "quarantine")


@pytest.mark.parametrize("name", FILES)
def test_scored_rows_of(predictions: Rows, name: str) -> None:
    scored = predictions[name]
    assert len(scored) == SCORED.get(name, 0)
    expected = WINE_SCORE if name != "integers.parquet" else 93.51
    assert [row.prediction for row in scored] == [pytest.approx(expected)] * len(scored)


@pytest.mark.parametrize("name", [name for name in FILES if name not in REFUSED_WITH])
def test_reasons_of(quarantine: Rows, name: str) -> None:
    assert sorted(row.reasons for row in quarantine[name]) == sorted(REASONS.get(name, []))


@pytest.mark.parametrize("name", REFUSED_WITH)
def test_refused_file(quarantine: Rows, name: str) -> None:
    [row] = quarantine[name]
    assert row.stage == "file"
    assert row.reasons[0].startswith(REFUSED_WITH[name])


def test_the_batch_record_adds_up(done: Sandbox, record: dict[str, Any]) -> None:
    rejected = sum(
        len(rows) for name, rows in REASONS.items() if not rows[0][0].startswith(("file:", "header:", "schema:"))
    )
    assert record["accepted"] == sum(SCORED.values())
    assert record["quarantined"] == rejected
    assert record["rows_in"] == record["accepted"] + record["quarantined"]
    assert record["failed"] == 0


def test_every_file_is_in_the_record(done: Sandbox, record: dict[str, Any]) -> None:
    assert {file.path for file in record["files"]} == {str(done.inbox / name) for name in FILES}


def test_the_rows_counted_in_the_inbox_are_those_in_the_tables(done: Sandbox, record: dict[str, Any]) -> None:
    found = reconcile(done.spark, done.config())
    assert found.differences == ()
    assert (found.balance.inbox, found.balance.scored) == (record["rows_in"], sum(SCORED.values()))
    assert found.totals[State.SCORED].files + record["files_refused"] == len(FILES)


def test_rows_are_of_files_of_the_inbox(predictions: Rows, quarantine: Rows) -> None:
    assert predictions.keys() | quarantine.keys() <= FILES.keys()


def test_a_rejected_row_keeps_its_text(quarantine: Rows) -> None:
    [row] = quarantine["text.csv"]
    assert (row.stage, row.raw) == ("contract", with_alcohol("abc"))
    [row] = quarantine["unclosed.csv"]
    assert (row.stage, row.raw) == ("parse", '"' + GOOD)


def test_invalid_bytes_are_kept_readable(quarantine: Rows) -> None:
    [row] = quarantine["invalid_bytes.csv"]
    assert row.raw == GOOD.replace("9.4", "9\\xff4")


def test_the_replacement_character_reaches_no_table(predictions: Rows, quarantine: Rows) -> None:
    assert not any("\ufffd" in str(row) for rows in (*predictions.values(), *quarantine.values()) for row in rows)


def test_a_second_run_finds_nothing_new(done: Sandbox) -> None:
    before = done.count("predictions"), done.count("quarantine")
    assert done.run() == []
    assert (done.count("predictions"), done.count("quarantine")) == before


def test_files_that_vanish_or_never_settle_are_refused(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    sandbox.drop("stays.csv", lines(GOOD))
    going = sandbox.drop("goes.csv", lines(GOOD))
    growing = sandbox.drop("growing.csv", lines(GOOD), age_seconds=0)

    def admit_after_removal(arrived: list[Arrival], **options: Any) -> Any:
        going.unlink()
        return admit_files(arrived, **options)

    def settle_while_growing(arrived: list[Arrival], **options: Any) -> Any:
        def write_on(seconds: float) -> None:
            with growing.open("a") as file:
                file.write(GOOD + "\n")
            time.sleep(0.1)

        write_on(0)
        return settle(arrived, sleep=write_on, **options)

    monkeypatch.setattr("penstock.pipeline.planning.admit_files", admit_after_removal)
    monkeypatch.setattr("penstock.sources.admission.settle", settle_while_growing)
    [record] = sandbox.run()
    assert sandbox.reasons("goes.csv") == [["file: vanished between listing and reading"]]
    assert sandbox.reasons("growing.csv")[0][0].startswith("file: still being written after 0.5 s")
    assert (record.accepted, record.files_refused) == (1, 2)


def test_a_parquet_file_with_damaged_pages_costs_itself(sandbox: Sandbox) -> None:
    """In the first batch the probe of the model meets the damage; the second has none, and finds it before its first
    write too. A gzip file counts once it has the right name."""
    frame = pd.DataFrame([wine(alcohol=9 + number / 1000) for number in range(2000)])
    whole = parquet(frame)
    sandbox.drop("whole.parquet", whole)
    sandbox.drop("damaged.parquet", with_damaged_pages(whole))
    sandbox.drop("good.csv", lines(GOOD))
    misnamed = sandbox.drop("UPPER.CSV.GZ", gzip.compress(lines(GOOD, GOOD)))
    [record] = sandbox.run()
    assert (record.accepted, record.quarantined, record.files_refused) == (2001, 0, 2)
    damaged = "file: its footer is whole, its pages are damaged: "
    [[reason]] = sandbox.reasons("damaged.parquet")
    assert reason.startswith(damaged)
    assert len(sandbox.reasons("UPPER.CSV.GZ")) == 1

    misnamed.rename(sandbox.inbox / "UPPER.CSV.gz")
    sandbox.drop("damaged-too.parquet", with_damaged_pages(whole))
    sandbox.drop("second.csv", lines(GOOD))
    [record] = sandbox.run()
    assert (record.accepted, record.quarantined, record.files_refused) == (3, 0, 1)
    [[reason]] = sandbox.reasons("damaged-too.parquet")
    assert reason.startswith(damaged)
    assert len(sandbox.rows("predictions", file="UPPER.CSV.gz")) == 2
    assert len(sandbox.rows("predictions", file="second.csv")) == 1
