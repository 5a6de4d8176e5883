"""The ledger in one pass: all batches without their files, and the files' paths."""

from deltalake import DeltaTable
from ledger_tables import commit_batches, ledger_file

from penstock.operations.monitoring.ledger_summary import summary_of


def test_every_batch_and_every_path(tmp_path):
    commit_batches(tmp_path / "t", ("q", 0, [ledger_file("/in/a.csv", 1), ledger_file("/in/b.csv", None, rows=None)]))
    commit_batches(tmp_path / "t", ("q", 1, []), ("r", 0, [ledger_file("/in/a.csv", 2)]))
    found = summary_of(DeltaTable(tmp_path / "t"))
    named = found.batches.select(["query_id", "batch_id"])
    assert sorted(named.to_pylist(), key=str) == [
        {"query_id": "q", "batch_id": 0},
        {"query_id": "q", "batch_id": 1},
        {"query_id": "r", "batch_id": 0},
    ]
    # A column that the table does not have yet.
    assert found.batches["without_forecast"].null_count == 3
    assert len(found.paths) == 2
    assert list(found.paths.are_in(["/in/a.csv", "/in/b.csv", "/in/c.csv"])) == [True, True, False]


def test_a_ledger_without_batches(tmp_path):
    commit_batches(tmp_path / "t")
    found = summary_of(DeltaTable(tmp_path / "t"))
    assert (found.batches.num_rows, len(found.paths)) == (0, 0)
