"""A table read file by file has the rows that deltalake's own reader has."""

import json
import struct

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


def inline_vector(*rows):
    """A deletion vector as Delta's PROTOCOL.md has it, within the log: a Roaring bitmap of the deleted rows, in Z85."""
    bitmap = struct.pack("<IIHHI", 12346, 1, 0, len(rows) - 1, 16) + struct.pack(f"<{len(rows)}H", *rows)
    packed = struct.pack("<IQI", 1681511377, 1, 0) + bitmap
    padded = packed.ljust(-(-len(packed) // 4) * 4, b"\0")
    letters = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"
    text = ""
    for number in struct.unpack(f">{len(padded) // 4}I", padded):
        text += "".join(letters[number // 85**place % 85] for place in (4, 3, 2, 1, 0))
    return {"storageType": "i", "pathOrInlineDv": text, "sizeInBytes": len(packed), "cardinality": len(rows)}


@pytest.mark.parametrize("batch_rows", [1, 3, 100])
def test_rows_that_a_deletion_vector_marks_are_left_out(tmp_path, batch_rows):
    for first in (0, 10):
        write_deltalake(
            tmp_path,
            pa.table({"id": list(range(first, first + 10))}),
            mode="append",
            configuration={"delta.enableDeletionVectors": "true"} if not first else None,
        )
    commit = tmp_path / "_delta_log" / f"{1:020d}.json"
    [added] = [json.loads(line)["add"] for line in commit.read_text().splitlines() if line.startswith('{"add"')]
    removed = {"path": added["path"], "deletionTimestamp": 1, "dataChange": True, "extendedFileMetadata": False}
    marked = added | {"deletionVector": inline_vector(0, 3, 9)}
    actions = [{"commitInfo": {"timestamp": 1, "operation": "DELETE"}}, {"remove": removed}, {"add": marked}]
    (commit.parent / f"{2:020d}.json").write_text("\n".join(map(json.dumps, actions)))
    table = DeltaTable(tmp_path)
    found = rows_of(read_files(table, data_files(table), ["id"], batch_rows=batch_rows))
    assert sorted(row["id"] for row in found) == [*range(10), 11, 12, *range(14, 19)]


def test_a_table_with_column_mapping_is_refused(tmp_path):
    write_deltalake(tmp_path, pa.table({"id": [1]}))
    commit = tmp_path / "_delta_log" / f"{0:020d}.json"
    lines = [json.loads(line) for line in commit.read_text().splitlines()]
    for line in lines:
        if "protocol" in line:
            features = ["columnMapping"]
            line["protocol"] = {"minReaderVersion": 3, "minWriterVersion": 7}
            line["protocol"] |= {"readerFeatures": features, "writerFeatures": features}
    commit.write_text("\n".join(map(json.dumps, lines)))
    table = DeltaTable(tmp_path)
    with pytest.raises(DeltaProtocolError, match="columnMapping"):
        next(read_files(table, data_files(table), ["id"]))
