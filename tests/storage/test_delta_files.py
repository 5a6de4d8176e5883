"""A table read file by file has the rows that deltalake's own reader has."""

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake
from deltalake.exceptions import DeltaProtocolError

from penstock.storage import delta_files
from penstock.storage.delta_files import data_files, read_files


@pytest.fixture
def table(tmp_path):
    """Files of one to nine rows in folders with a blank in their name; a column that came later; an empty commit."""
    path = str(tmp_path / "a table")
    for number in range(1, 10):
        columns = {"id": list(range(number)), "text": [f"{number}-{row}" for row in range(number)]}
        if number > 4:
            columns["later"] = [[number]] * number
        write_deltalake(path, pa.table(columns), mode="append", schema_mode="merge")
    write_deltalake(path, pa.table({"id": pa.array([], pa.int64())}), mode="append", schema_mode="merge")
    return DeltaTable(path)


def rows_of(batches):
    return [row for batch in batches for row in batch.to_pylist()]


@pytest.mark.parametrize("small", [0, 1 << 20], ids=["streamed", "read whole"])
def test_all_rows_and_columns(table, monkeypatch, small):
    monkeypatch.setattr(delta_files, "SMALL_FILE_BYTES", small)
    names = ["later", "id", "text"]
    found = rows_of(read_files(table, data_files(table), names, batch_rows=4))
    expected = table.to_pyarrow_table(columns=names).to_pylist()
    assert len(found) == 45
    assert sorted(found, key=str) == sorted(expected, key=str)


def test_the_order_is_that_of_the_files_and_the_batches_are_small(table):
    files = sorted(data_files(table), key=lambda file: file.rows or 0, reverse=True)
    batches = list(read_files(table, files, ["text"], batch_rows=2))
    assert max(map(len, batches)) == 2
    assert [row["text"][0] for row in rows_of(batches)] == [str(n) for n in range(9, 0, -1) for _ in range(n)]


def test_what_the_log_says_of_each_file(table):
    files = {file.rows: file for file in data_files(table, ("id", "text"))}
    assert (files[7].least, files[7].most) == ({"id": 0, "text": "7-0"}, {"id": 6, "text": "7-6"})
    assert [files[7].may_have("text", text) for text in ("7-", "7-0", "7-3", "7-6", "8")] == [
        False,
        True,
        True,
        True,
        False,
    ]
    assert data_files(table)[0].may_have("id", 10**9)


def test_who_stops_reading_early_leaves_no_thread_behind(table):
    batches = read_files(table, data_files(table), ["id"])
    next(batches)
    batches.close()


def test_a_table_with_deletion_vectors_is_refused(tmp_path):
    path = str(tmp_path / "t")
    write_deltalake(path, pa.table({"id": [1]}), configuration={"delta.enableDeletionVectors": "true"})
    table = DeltaTable(path)
    with pytest.raises(DeltaProtocolError, match="deletionVectors"):
        next(read_files(table, data_files(table), ["id"]))
