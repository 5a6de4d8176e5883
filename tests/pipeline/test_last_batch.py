"""The last finished batch, from the log's bounds, is that of all rows; and few files are read for it."""

import random
import uuid

import pytest
from deltalake import DeltaTable
from ledger_tables import commit_batches, edit_bounds

from penstock.pipeline import last_batch as module
from penstock.pipeline.last_batch import has_batches, last_batch

OLD, OWN, NEW = (str(uuid.UUID(int=number << 124 | number)) for number in (1, 5, 9))


@pytest.fixture
def reads(monkeypatch):
    """The files that were read."""
    seen, read_files = [], module.read_files

    def counted(table, files, columns):
        seen.extend(files)
        return read_files(table, files, columns)

    monkeypatch.setattr(module, "read_files", counted)
    return seen


@pytest.mark.parametrize("changes", [None, {}, {"stats": None}], ids=["whole", "cut to 32 characters", "no statistics"])
def test_it_is_the_highest_batch_of_its_own_query(tmp_path, changes):
    commit_batches(tmp_path / "t", (OLD, 40, []), (OLD, 41, []), (NEW, 3, []))
    for number in (0, 1, 12, 2):
        commit_batches(tmp_path / "t", (OWN, number, []))
    commit_batches(tmp_path / "t", ("replay", 99, []))
    if changes is not None:
        edit_bounds(tmp_path / "t", **changes)
    table = DeltaTable(tmp_path / "t")
    assert [last_batch(table, query) for query in (OLD, OWN, NEW, "replay")] == [41, 12, 3, 99]
    assert last_batch(table, str(uuid.UUID(int=7))) is None
    assert has_batches(table)


@pytest.mark.parametrize("seed", range(5))
def test_whatever_file_has_which_batches(tmp_path, seed):
    """Queries mixed in one file as compaction leaves them, batches in any order, some files without statistics."""
    chance = random.Random(seed)
    rows = [(chance.choice((OLD, OWN, NEW)), number) for number in range(30)]
    chance.shuffle(rows)
    for _ in range(8):
        cut = chance.randint(1, 5)
        part, rows = rows[:cut], rows[cut:]
        commit_batches(tmp_path / "t", *[(query, number, []) for query, number in part])
    if seed % 2:
        edit_bounds(tmp_path / "t")
    table = DeltaTable(tmp_path / "t")
    everything = table.to_pyarrow_table(columns=["query_id", "batch_id"]).to_pylist()
    for query in (OLD, OWN, NEW):
        expected = max((row["batch_id"] for row in everything if row["query_id"] == query), default=None)
        assert last_batch(table, query) == expected


def test_one_file_of_many_is_read(tmp_path, reads):
    for number in range(20):
        commit_batches(tmp_path / "t", (OWN, number, []))
        commit_batches(tmp_path / "t", (OLD, 1000 + number, []))
    assert last_batch(DeltaTable(tmp_path / "t"), OWN) == 19
    assert len(reads) == 1


def test_a_restored_table_has_the_batches_of_its_rows(tmp_path):
    for number in range(3):
        commit_batches(tmp_path / "t", (OWN, number, []))
    table = DeltaTable(tmp_path / "t")
    table.restore(1)
    assert last_batch(table, OWN) == 1


def test_without_a_table_or_rows_nothing_is_finished(tmp_path):
    assert (last_batch(None, OWN), has_batches(None)) == (None, False)
    commit_batches(tmp_path / "t")
    table = DeltaTable(tmp_path / "t")
    assert (last_batch(table, OWN), last_batch(table, None), has_batches(table)) == (None, None, False)
