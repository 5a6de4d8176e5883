import random

import pytest
from spark_checkpoint import METADATA, STORAGE, Checkpoint, whole_log

from penstock.errors import PlanError
from penstock.sources import checkpoint as checkpoint_module
from penstock.sources.checkpoint import Arrival, Logged, logged_files, query_id_of


@pytest.fixture
def checkpoint(tmp_path):
    return Checkpoint(tmp_path / "checkpoint")


def test_the_first_batch_has_the_first_entries(checkpoint):
    checkpoint.offset(0, 0)
    checkpoint.log(0, ("file:///in/b.csv", 1_700_000_000_123, 0), ("file:///in/a%20%5B1%5D.csv", 5, 0))
    assert checkpoint.arrivals(0) == [
        Arrival(path="/in/b.csv", modified_milliseconds=1_700_000_000_123),
        Arrival(path="/in/a [1].csv", modified_milliseconds=5),
    ]


def test_the_first_batch_has_all_offsets_up_to_its_own(checkpoint):
    checkpoint.offset(0, 2)
    for offset in range(3):
        checkpoint.log(offset, (f"file:///in/{offset}.csv", 1, offset))
    assert checkpoint.paths(0) == ["/in/0.csv", "/in/1.csv", "/in/2.csv"]


def test_a_batch_has_what_came_after_the_one_before(checkpoint):
    checkpoint.offset(4, 5)
    checkpoint.offset(5, 6)
    for offset in (5, 6, 7):
        checkpoint.log(offset, (f"file:///in/{offset}.csv", 1, offset))
    assert checkpoint.paths(5) == ["/in/6.csv"]


def test_several_log_offsets_in_one_batch(checkpoint):
    checkpoint.offset(0, 0)
    checkpoint.offset(1, 3)
    for offset in range(4):
        checkpoint.log(offset, (f"file:///in/{offset}.csv", 1, offset))
    assert checkpoint.paths(1) == ["/in/1.csv", "/in/2.csv", "/in/3.csv"]


def test_a_batch_that_goes_no_further_has_no_files(checkpoint):
    checkpoint.offset(0, 0)
    checkpoint.offset(1, 0)
    checkpoint.log(0, ("file:///in/a.csv", 1, 0))
    assert checkpoint.paths(1) == []


def test_a_compaction_gives_its_own_entries_only(checkpoint):
    checkpoint.offset(8, 8)
    checkpoint.offset(9, 9)
    entries = [(f"file:///in/{offset}.csv", 1, offset) for offset in range(10)]
    checkpoint.log(9, *entries, compact=True)
    assert checkpoint.paths(9) == ["/in/9.csv"]


def test_a_compaction_among_several_offsets(checkpoint):
    checkpoint.offset(0, 7)
    checkpoint.offset(1, 10)
    entries = [(f"file:///in/{offset}.csv", 1, offset) for offset in range(11)]
    checkpoint.log(8, entries[8])
    checkpoint.log(9, *entries[:10], compact=True)
    checkpoint.log(10, entries[10])
    assert checkpoint.paths(1) == ["/in/8.csv", "/in/9.csv", "/in/10.csv"]


def test_batch_one_is_not_taken_for_batch_eleven(checkpoint):
    checkpoint.offset(18, 18)
    checkpoint.offset(19, 19)
    checkpoint.log(19, ("file:///in/9.csv", 1, 9), ("file:///in/19.csv", 1, 19), compact=True)
    assert checkpoint.paths(19) == ["/in/19.csv"]


def test_a_missing_offset_is_an_error(checkpoint):
    with pytest.raises(PlanError, match=r"offsets/0: is missing"):
        checkpoint.arrivals(0)


def test_a_missing_log_entry_is_an_error(checkpoint):
    checkpoint.offset(0, 1)
    checkpoint.log(0, ("file:///in/a.csv", 1, 0))
    with pytest.raises(PlanError, match=r"sources/0/1: is missing"):
        checkpoint.arrivals(0)


def test_another_version_of_the_offset_log_is_an_error(checkpoint):
    checkpoint.offset(0, 0, version="v2")
    checkpoint.log(0)
    with pytest.raises(PlanError, match=r"offsets/0: expected a log of version v1, found v2"):
        checkpoint.arrivals(0)


def test_another_version_of_the_file_log_is_an_error(checkpoint):
    checkpoint.offset(0, 0)
    checkpoint.log(0, version="v3")
    with pytest.raises(PlanError, match=r"sources/0/0: expected a log of version v1, found v3"):
        checkpoint.arrivals(0)


@pytest.mark.parametrize("lines", [[""], ["v1"], ["v1", METADATA], ["v1", METADATA, "-"], ["v1", METADATA, '{"log']])
def test_a_torn_offset_log_is_an_error_with_its_path(checkpoint, lines):
    checkpoint.write("offsets/0", lines)
    with pytest.raises(PlanError, match="offsets/0"):
        checkpoint.arrivals(0)


def test_the_whole_log_is_the_last_compaction_and_what_came_after(checkpoint):
    entries = [(f"file:///in/{offset}%20.csv", offset * 10, offset) for offset in range(21)]
    for offset in (8, 18, 20):
        checkpoint.log(offset, entries[offset])
    checkpoint.log(9, *entries[:10], compact=True)
    checkpoint.log(19, *entries[:20], compact=True)
    checkpoint.write("sources/0/.19.compact.1a2b.tmp", ["torn"])
    log = whole_log(STORAGE, str(checkpoint.root))
    assert log == {
        f"/in/{offset} .csv": Logged(modified_milliseconds=offset * 10, offset=offset) for offset in range(21)
    }


def test_the_whole_log_before_the_first_compaction(checkpoint):
    assert whole_log(STORAGE, str(checkpoint.root)) == {}
    checkpoint.log(0, ("file:///in/a.csv", 1, 0))
    checkpoint.log(1, ("file:///in/a.csv", 7, 1))
    assert whole_log(STORAGE, str(checkpoint.root)) == {"/in/a.csv": Logged(modified_milliseconds=7, offset=1)}


def test_a_hole_in_the_whole_log_is_an_error(checkpoint):
    checkpoint.log(0, ("file:///in/a.csv", 1, 0))
    checkpoint.log(2, ("file:///in/c.csv", 1, 2))
    with pytest.raises(PlanError, match=r"sources/0/1: is missing"):
        whole_log(STORAGE, str(checkpoint.root))


@pytest.mark.parametrize("tail_bytes", [1, 7, 64, 100, 1 << 16])
def test_a_compaction_is_read_from_its_end_wherever_its_blocks_end(checkpoint, monkeypatch, tail_bytes):
    monkeypatch.setattr(checkpoint_module, "TAIL_BYTES", tail_bytes)
    chance = random.Random(tail_bytes)
    for offset in (9, 19):
        checkpoint.offset(offset - 1, offset - 1)
        checkpoint.offset(offset, offset)
        entries = [
            (f"file:///in/{'x' * chance.randint(0, 90)}{number}-{each}%20.csv", number, number)
            for number in range(offset + 1)
            for each in range(chance.randint(1, 9))
        ]
        checkpoint.log(offset, *entries, compact=True)
        expected = [path.removeprefix("file://").replace("%20", " ") for path, _, number in entries if number == offset]
        assert checkpoint.paths(offset) == expected


def test_only_the_end_of_a_compaction_is_read(checkpoint):
    checkpoint.offset(98, 98)
    checkpoint.offset(99, 99)
    checkpoint.log(99, *[(f"file:///in/{number}.csv", 1, number // 100) for number in range(10_000)], compact=True)
    path = checkpoint.root / "sources" / "0" / "99.compact"
    lines = path.read_bytes().split(b"\n")
    path.write_bytes(b"\n".join([lines[0], b"no entry", *lines[2:]]))
    assert checkpoint.paths(99) == [f"/in/{number}.csv" for number in range(9900, 10_000)]


@pytest.mark.parametrize("end", ["", "\n"])
def test_a_compaction_in_another_order_gives_its_own_entries_all_the_same(checkpoint, end):
    checkpoint.offset(8, 8)
    checkpoint.offset(9, 9)
    checkpoint.log(9, ("file:///in/a.csv", 1, 9), ("file:///in/b.csv", 1, 3), compact=True)
    path = checkpoint.root / "sources" / "0" / "9.compact"
    path.write_text(path.read_text() + end)
    assert checkpoint.paths(9) == ["/in/a.csv"]


@pytest.mark.parametrize("compact", [False, True])
@pytest.mark.parametrize("lost", [1, 5, 30, "line", "lines"])
def test_a_torn_file_log_is_an_error_with_its_path(checkpoint, compact, lost):
    """Cut within its last line, or after its last whole line with none of its own left."""
    checkpoint.offset(8, 8)
    checkpoint.offset(9, 9)
    earlier = [("file:///in/a.csv", 1, 8)] if compact else []
    own = [("file:///in/b.csv", 1, 9)] * (2 if lost == "lines" else 1)
    checkpoint.log(9, *earlier, *own, compact=compact)
    path = checkpoint.root / "sources" / "0" / ("9.compact" if compact else "9")
    content = path.read_bytes()
    keeps = len(content) - lost if isinstance(lost, int) else content.index(b'{"path":"file:///in/b.csv"')
    path.write_bytes(content[:keeps])
    with pytest.raises(PlanError, match=r"sources/0/9\S*: (is not a whole file log|has no files of its own)"):
        checkpoint.arrivals(9)
    if isinstance(lost, int) and compact:
        with pytest.raises(PlanError, match="is not a whole file log"):
            list(logged_files(STORAGE, str(checkpoint.root)))


def test_an_empty_file_log_is_an_error(checkpoint):
    checkpoint.offset(0, 0)
    checkpoint.write("sources/0/0", [""])
    with pytest.raises(PlanError, match="sources/0/0: is missing"):
        checkpoint.arrivals(0)
    checkpoint.write("sources/0/0.compact", [""])
    with pytest.raises(PlanError, match=r"0\.compact: expected a log of version v1, found an empty file"):
        checkpoint.arrivals(0)


def test_a_file_that_the_stream_forgot_comes_twice_and_its_later_entry_counts(checkpoint):
    checkpoint.log(9, ("file:///in/a.csv", 1, 0), ("file:///in/b.csv", 2, 9), compact=True)
    checkpoint.log(10, ("file:///in/a.csv", 3, 10))
    found = list(logged_files(STORAGE, str(checkpoint.root)))
    assert found == [("/in/a.csv", 1, 0), ("/in/b.csv", 2, 9), ("/in/a.csv", 3, 10)]
    assert whole_log(STORAGE, str(checkpoint.root))["/in/a.csv"] == Logged(modified_milliseconds=3, offset=10)


def test_the_query_id_is_in_the_metadata(checkpoint):
    checkpoint.write("metadata", ['{"id":"0a1b"}'])
    assert query_id_of(STORAGE, str(checkpoint.root)) == "0a1b"


def test_a_checkpoint_that_has_not_begun_has_no_query_id(checkpoint):
    assert query_id_of(STORAGE, str(checkpoint.root)) is None
