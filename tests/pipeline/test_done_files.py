"""The files of earlier queries and of replays, found again by path and modification time."""

import pytest
from batch_records import CONFIG
from ledger_tables import commit_batches, edit_bounds, ledger_file

from penstock.config.pipeline import PipelineConfig
from penstock.errors import LedgerError
from penstock.pipeline.done_files import DoneFiles, read_done_files, read_moved_files
from penstock.sources.checkpoint import Arrival
from penstock.storage.files import FileStatus

OLD, OLDER, OWN = "11111111-aaaa", "22222222-bbbb", "33333333-cccc"


@pytest.fixture
def config(tmp_path):
    return PipelineConfig.model_validate(CONFIG | {"tables": {"root": str(tmp_path / "tables")}})


@pytest.fixture
def ledger(config, tmp_path):
    """Three queries and a replay, some in one file."""
    table = tmp_path / "tables" / "batches"
    commit_batches(
        table,
        (OLD, 0, [ledger_file("/in/a.csv", 1_700_000_000_123), ledger_file("/in/refused.csv", 5, rows=None)]),
        (OWN, 0, [ledger_file("/in/own.csv", 7)]),
    )
    commit_batches(table, (OLDER, 3, [ledger_file("/in/b.csv", 2), ledger_file("/in/unknown.csv", None)]))
    commit_batches(table, (OLD, 1, [ledger_file("/in/a.csv", 1_700_000_000_123), ledger_file("/in/a.csv", 9)]))
    commit_batches(table, ("replay", 0, [ledger_file("/in/replayed.csv", 11)]))
    commit_batches(table, (OLD, 2, []))
    ends = [ledger_file("/in/late.csv", 253_402_300_799_999), ledger_file("/in/early.csv", -62_135_596_800_000)]
    commit_batches(table, (OWN, 1, ends))
    return table


def arrivals(*files):
    return [Arrival(path=path, modified_milliseconds=milliseconds) for path, milliseconds in files]


ASKED = arrivals(
    ("/in/own.csv", 7),
    ("/in/replayed.csv", 11),
    ("/in/a.csv", 1_700_000_000_124),
    ("/in/a.csv", 1_700_000_000_123),
    ("/in/a.csv", 9),
    ("/in/b.csv", 2),
    ("/in/refused.csv", 5),
    ("/in/unknown.csv", 0),
    ("2 /in/b.csv", 2),
)


@pytest.mark.parametrize("bounds", [None, {}, {"stats": None}], ids=["whole", "cut", "no statistics"])
@pytest.mark.parametrize(
    ("queries", "done"),
    [
        ((OLD, OLDER), ["/in/replayed.csv", "/in/a.csv", "/in/a.csv", "/in/b.csv", "/in/refused.csv"]),
        ((OLDER,), ["/in/replayed.csv", "/in/b.csv"]),
        ((), ["/in/replayed.csv"]),
    ],
)
def test_the_done_ones_of_the_arrivals(config, ledger, bounds, queries, done):
    if bounds is not None:
        edit_bounds(ledger, **bounds)
    found = read_done_files(config, queries).among(ASKED)
    assert [arrival.path for arrival in found] == done
    assert all(arrival in ASKED for arrival in found)


def test_a_file_that_two_batches_have_counts_once(config, ledger):
    assert len(read_done_files(config, (OLD,))) == 4


def test_without_a_ledger_nothing_is_done(config):
    assert read_done_files(config, (OLD,)).among(ASKED) == []
    assert DoneFiles(()).among([]) == []


def test_a_ledger_with_a_missing_file_is_an_error(config, ledger):
    for file in ledger.glob("*.parquet"):
        file.unlink()
    with pytest.raises((LedgerError, OSError)):
        read_done_files(config, (OLD,))


@pytest.mark.parametrize(
    ("path", "milliseconds", "length", "is_there"),
    [
        ("/in/own.csv", 7, 1, True),
        ("/in/own.csv", 8, 1, True),  # a copy
        ("/in/own.csv", 7, 2, True),
        ("/in/own.csv", 8, 2, False),  # overwritten
        ("/in/refused.csv", 5, 1, False),
        ("/in/late.csv", 999_999_999_999_999, 2, True),
        ("/in/early.csv", -999_999_999_999_999, 2, True),
        ("/in/new.csv", 7, 1, False),
        ("/inner/own.csv", 7, 1, False),
    ],
)
def test_the_files_of_an_earlier_place(config, ledger, path, milliseconds, length, is_there):
    now = FileStatus(length=length, modified_milliseconds=milliseconds)
    assert read_moved_files(config, ["/in"]).has(path, now) is is_there
    assert not read_moved_files(config, []).has(path, now)
