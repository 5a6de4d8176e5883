"""The files of an inbox that has moved twice, from /a to /b to /c, as reconcile sees them."""

from penstock.operations.reconcile.files import Delivery, Stream
from penstock.operations.reconcile.ledger_rows import Batch, Entry, Marker, RowCounts
from penstock.operations.reconcile.moved_inbox import (
    at_todays_paths,
    known_elsewhere,
    read_moves,
    without_earlier_paths,
)
from penstock.sources.checkpoint import Logged
from penstock.storage.files import FileStatus

THEN, NOW = FileStatus(length=5, modified_milliseconds=1), FileStatus(length=5, modified_milliseconds=9)
OTHER = FileStatus(length=6, modified_milliseconds=9)


def marker(number, *entries):
    return Marker(
        batch=Batch("q", number),
        finished_milliseconds=number,
        accepted=0,
        quarantined=0,
        files_refused=0,
        entries=entries,
    )


def scored(path, status=THEN):
    return Entry(path=path, status=status, rows=1)


def done(path):
    return Entry(path=path, status=None, rows=None)


#: one: at all three places. gone: not at the third. other: overwritten at the third.
LEDGER = RowCounts.of(
    [
        marker(0, *map(scored, ("/a/one", "/a/gone", "/a/other"))),
        marker(1, *map(done, ("/b/one", "/b/gone", "/b/other")), scored("/b/new")),
        marker(2, done("/c/one"), scored("/c/other", OTHER)),
    ],
    [],
)


def moves(*former, path="/c"):
    return read_moves([path, *former], LEDGER)


def delivery(status):
    return Delivery(batch=Batch("q", 0), status=status, rows=1, finished_milliseconds=0)


def test_deliveries_are_those_of_the_newest_path():
    known = {entry.path: [delivery(entry.status)] for one in LEDGER.markers for entry in one.entries if entry.status}
    found = at_todays_paths(known, moves("/b", "/a"), {"/c/one": NOW, "/c/other": OTHER})
    assert found == {
        "/c/one": [delivery(NOW)],
        "/b/gone": [delivery(THEN)],
        "/b/other": [delivery(THEN)],
        "/b/new": [delivery(THEN)],
        "/c/other": [delivery(OTHER)],
    }


def test_the_stream_has_listed_only_what_is_to_be_found_out():
    paths = [entry.path for one in LEDGER.markers for entry in one.entries]
    log = {path: Logged(modified_milliseconds=1, offset=0) for path in [*paths, "/c/new"]}
    stream = Stream(query_id="q", committed=2, log=log, forgotten_before=0)
    left = without_earlier_paths(stream, moves("/b", "/a")).log
    assert sorted(left) == ["/b/new", "/c/new", "/c/one", "/c/other"]


def test_a_file_that_was_done_is_no_refusal_that_is_missing():
    queries = known_elsewhere(LEDGER, moves("/b", "/a")).queries
    assert {path for path, of in queries.items() if of != {"q"}} == {"/b/one", "/b/gone", "/b/other", "/c/one"}


def test_an_inbox_that_never_moved_has_no_moves():
    assert (moves().newest, moves().done) == ({}, frozenset())


def test_one_that_is_back_at_its_first_place_keeps_its_deliveries():
    assert moves("/b", path="/a").newest == {}
