"""Whether files have anything for the quarantine: what a count says is what is in it."""

from pathlib import Path

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.types import StructType
from sample_contracts import SMALL
from sandbox import Sandbox, checked_files

from penstock.schemas.tables import BATCH_COLUMNS, TableSpec, contract_columns
from penstock.sources import rejections
from penstock.sources.reading import accepted_rows, rejected_rows
from penstock.sources.rejections import CheckedRows, RowCounts, counted_while_read, persisted_and_counted
from penstock.spark.tables import create_table, prepare_append
from penstock.storage.delta_transactions import Transaction

GOOD, REPEATED, BAD = b"x,note\n1,a\n\n2,b\n", b"x,note\n1,a\nx,note\n", b"x,note\n1,a\none,b\n"


@pytest.mark.parametrize(
    ("contents", "dialect", "reasons"),
    [
        ([GOOD], {}, []),
        ([GOOD, GOOD, GOOD], {}, []),
        ([REPEATED], {}, ["row: is the header line again"]),
        ([GOOD, REPEATED, b"note,x\na,1\n"], {}, ["row: is the header line again"]),
        ([BAD], {}, ["x: 'one' is not a double"]),
        ([GOOD, BAD], {"multi_line": True}, ["x: 'one' is not a double"]),
        ([GOOD, GOOD], {"multi_line": True}, []),
    ],
    ids=str,
)
def test_files(
    spark: SparkSession, sandbox: Sandbox, contents: list[bytes], dialect: dict[str, bool], reasons: list[str]
) -> None:
    rows = checked_files(spark, sandbox, *contents, **dialect)
    assert reasons_of(rejected_rows(rows)) == reasons
    judged = counted_while_read(rows, headers=len(contents))
    accepted = pass_over(judged)
    assert reasons_of(judged.rejected(judged.count(accepted))) == reasons
    with persisted_and_counted(rows, headers=len(contents)) as kept:
        assert reasons_of(kept.rejected(kept.count(None))) == reasons


def test_only_a_pass_over_all_rows_is_taken_at_its_word(spark: SparkSession, sandbox: Sandbox) -> None:
    """One that ended early saw no rejected row, and one that was not made saw none at all."""
    rows = checked_files(spark, sandbox, GOOD + b"one,b\n", REPEATED)
    expected = RowCounts(accepted=3, repeated_headers=1, others=1)
    partial = counted_while_read(rows, headers=2)
    assert partial.observed_rows.limit(1).count() == 1
    assert partial.count(3) == expected
    assert counted_while_read(rows, headers=2).count(3) == expected


def test_a_pass_that_saw_all_rows_is_not_made_again(
    spark: SparkSession, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Here the one that writes the files of a Delta table."""
    judged = counted_while_read(checked_files(spark, sandbox, GOOD, BAD), headers=2)
    spec = TableSpec(name="t", schema=StructType([*BATCH_COLUMNS, *contract_columns(SMALL)]), cluster_by=("batch_id",))
    create_table(spark, str(tmp_path / "table"), spec)
    rows = accepted_rows(judged.observed_rows, SMALL).drop("source_file")
    append = prepare_append(rows, str(tmp_path / "table"), Transaction(pipeline="p", query_id="q", batch_id=0))
    monkeypatch.setattr(rejections, "counted", lambda *_, **__: pytest.fail("counted"))
    assert append.rows == 3
    assert judged.count(append.rows) == RowCounts(accepted=3, repeated_headers=0, others=1)


def pass_over(judged: CheckedRows) -> int:
    return len(accepted_rows(judged.observed_rows, SMALL).collect())


def reasons_of(rejected: DataFrame | None) -> list[str]:
    return [reason for row in rejected.collect() for reason in row.reasons] if rejected else []
