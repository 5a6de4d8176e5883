import pytest
from dashboard_tables import START, WINE_CONF, WrittenTables, minutes, rejected

from penstock.errors import EnvironmentCheckError
from penstock.interfaces.dashboard.queries import quarantine
from penstock.interfaces.dashboard.queries.quarantine import Entries

ALCOHOL = "alcohol: '...' is not a double"


@pytest.fixture
def tables(tmp_path):
    made = WrittenTables(tmp_path, WINE_CONF)
    made.append(
        "quarantine",
        rejected("alcohol: 'abc' is not a double", "ph: is null", at=minutes(0)),
        rejected("alcohol: 'n/a' is not a double", at=minutes(1), source_file="/inbox/b.csv", replayed_in=4),
        rejected("alcohol: 'it's\n2' is not a double", at=minutes(2), raw="9,it's", source_file="/inbox/b.csv"),
    )
    made.append(
        "quarantine",
        rejected("header: column 'ph' is missing", at=minutes(60), stage="file", raw=None, source_file="/inbox/c.csv"),
    )
    return made


def reasons(tables, **filters):
    found = tables.query(quarantine.reasons, of=Entries(**{"since": START, **filters}), limit=10)
    return [tuple(row) for row in found.itertuples(index=False)]


def test_reasons_count_together_whatever_the_value_and_the_most_frequent_comes_first(tables):
    assert reasons(tables) == [
        ("contract", ALCOHOL, 3),
        ("file", "header: column '...' is missing", 1),
        ("contract", "ph: is null", 1),
    ]


def test_an_entry_counts_once_under_a_reason(tmp_path):
    tables = WrittenTables(tmp_path, WINE_CONF)
    tables.append("quarantine", rejected("x: 'a' is odd", "x: 'b' is odd", at=START))
    assert reasons(tables) == [("contract", "x: '...' is odd", 1)]


def test_reasons_of_the_window_and_of_what_waits(tables):
    assert reasons(tables, since=minutes(30)) == [("file", "header: column '...' is missing", 1)]
    assert reasons(tables, waiting=True)[0] == ("contract", ALCOHOL, 2)


@pytest.mark.parametrize(
    ("filters", "raw"),
    [
        ({}, [None, "9,it's", "7.4,abc", "7.4,abc"]),
        ({"stage": "file"}, [None]),
        ({"reason": ALCOHOL}, ["9,it's", "7.4,abc", "7.4,abc"]),
        ({"reason": "ph: is null"}, ["7.4,abc"]),
        ({"file": "/inbox/b.csv"}, ["9,it's", "7.4,abc"]),
        ({"file": "/inbox/b.csv", "waiting": True}, ["9,it's"]),
        ({"stage": "file", "file": "/inbox/b.csv"}, []),
    ],
)
def test_entries_meet_all_filters_and_come_newest_first(tables, filters, raw):
    of = Entries(since=START, **filters)
    found = tables.query(quarantine.newest, of=of, limit=10)
    assert [text if isinstance(text, str) else None for text in found["raw"]] == raw
    assert tables.query(quarantine.count, of=of) == len(raw)


def test_no_more_entries_than_asked_for_and_long_lines_are_cut(tables):
    assert list(tables.query(quarantine.newest, of=Entries(since=START), limit=1)["stage"]) == ["file"]
    tables.append("quarantine", rejected("row: is long", at=minutes(99), raw="x" * 1_000_000))
    assert tables.query(quarantine.newest, of=Entries(since=START), limit=1)["raw"][0] == "x" * 2000


def test_all_reasons_of_an_entry_are_shown_with_their_values(tables):
    found = tables.query(quarantine.newest, of=Entries(since=START, reason="ph: is null"), limit=10)
    assert list(found["reasons"]) == ["alcohol: 'abc' is not a double; ph: is null"]


def test_files_with_the_most_entries_come_first(tables):
    found = tables.query(quarantine.files, of=Entries(since=START), limit=2)
    assert [tuple(row) for row in found.itertuples(index=False)] == [("/inbox/b.csv", 2), ("/inbox/a.csv", 1)]


def test_a_file_that_the_filters_rule_out_is_not_read(tables):
    tables.lose_oldest_file("quarantine")
    assert reasons(tables, since=minutes(30)) == [("file", "header: column '...' is missing", 1)]
    assert reasons(tables, stage="file") == [("file", "header: column '...' is missing", 1)]
    with pytest.raises(EnvironmentCheckError, match="can't be read"):
        reasons(tables)
