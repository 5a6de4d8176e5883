import pytest

from penstock.operations.reconcile.ledger_rows import Batch, Entry, Marker, RowCounts, Tally
from penstock.operations.reconcile.tables import compare_with_tables
from penstock.pipeline.replay.plans import REPLAY_QUERY
from penstock.storage.files import FileStatus

ZERO, ONE = Batch("q", 0), Batch("q", 1)
THEN = FileStatus(length=10, modified_milliseconds=1000)


def marker(batch, entries, *, accepted=0, quarantined=0, refused=0, finished=5000):
    return Marker(
        batch=batch,
        finished_milliseconds=finished,
        accepted=accepted,
        quarantined=quarantined,
        files_refused=refused,
        entries=tuple(
            Entry(path=path, status=None if rows == "done" else THEN, rows=None if rows == "done" else rows)
            for path, rows in entries.items()
        ),
    )


def tally(batch, path="a", accepted=0, quarantined=0, refused=0, replayed_in=None, made=4000):
    return Tally(
        batch=batch,
        path=path,
        replayed_in=replayed_in,
        accepted=accepted,
        quarantined=quarantined,
        refused=refused,
        made_milliseconds=made,
    )


def compared(markers, tallies, *, unfinished=(), since=None):
    differences = compare_with_tables(
        RowCounts.of(markers, tallies),
        scored_table="predictions",
        is_unfinished=lambda batch: batch in unfinished,
        since_milliseconds=since,
    )
    return [(one.kind, one.subject, one.found) for one in differences]


def kinds(*arguments, **options):
    return [kind for kind, _, _ in compared(*arguments, **options)]


WHOLE = marker(ZERO, {"a": 3, "r": None}, accepted=2, quarantined=1, refused=1)
REFUSED = tally(ZERO, "r", refused=1)
HELD = [tally(ZERO, accepted=2), tally(ZERO, quarantined=1), REFUSED]


def test_rows_and_refusals_that_agree():
    assert compared([WHOLE], HELD) == []


def test_a_file_without_rows_needs_none():
    assert compared([marker(ZERO, {"a": 0})], []) == []


def test_missing_rows_say_in_which_table():
    [(kind, subject, found)] = compared([WHOLE], [tally(ZERO, accepted=2), REFUSED])
    assert (kind, subject) == ("missing rows", "a")
    assert found.endswith("hold 2 (2 accepted, 0 quarantined) of batch 0 of query q: 1 too few in quarantine")


def test_of_several_files_the_batch_does_not_say_which_table():
    several = marker(ZERO, {"a": 1, "b": 1}, accepted=2)
    assert [found.count("too few") for _, _, found in compared([several], [])] == [0, 0]


def test_surplus_rows():
    [(kind, _, found)] = compared([WHOLE], [*HELD, tally(ZERO, accepted=2)])
    assert (kind, "2 too many in predictions" in found) == ("surplus rows", True)


def test_rows_of_a_file_that_the_batch_does_not_have():
    [(kind, subject, found)] = compared([WHOLE], [*HELD, tally(ZERO, "b", accepted=1)])
    assert (kind, subject) == ("surplus rows", "b")
    assert found.startswith("the ledger does not list it in this batch, the tables hold 1")


def test_a_row_moved_from_one_table_to_the_other():
    [(kind, subject, found)] = compared([WHOLE], [tally(ZERO, accepted=3), REFUSED])
    assert (kind, subject) == ("totals", "batch 0 of query q")
    assert found.endswith("1 too many in predictions, 1 too few in quarantine")


@pytest.mark.parametrize(("refused", "kind"), [(0, "missing refusal"), (2, "surplus refusal")])
def test_a_refused_file_has_one_row(refused, kind):
    assert kinds([marker(ZERO, {"r": None}, refused=1)], [tally(ZERO, "r", refused=refused)]) == [kind]


def test_an_accepted_file_has_no_refusal():
    assert kinds([WHOLE], [*HELD, tally(ZERO, refused=1)]) == ["surplus refusal"]


def test_a_file_done_by_an_earlier_query_has_nothing():
    resumed = marker(Batch("q2", 0), {"a": "done", "r": "done"})
    assert compared([WHOLE, resumed], HELD) == []


def test_a_file_that_vanished_is_a_refusal():
    vanished = marker(ZERO, {"v": "done"}, refused=1)
    assert compared([vanished], [tally(ZERO, "v", refused=1)]) == []
    assert kinds([vanished], []) == ["missing refusal"]


def test_rows_without_a_marker_are_left_behind_unless_their_batch_goes_on():
    rows = [*HELD, tally(ONE, "b", accepted=2), tally(ONE, "c", refused=1)]
    [(kind, subject, found)] = compared([WHOLE], rows)
    assert (kind, subject) == ("left behind", "batch 1 of query q")
    assert found.startswith("has 2 rows and 1 refused files of 2 files")
    assert compared([WHOLE], rows, unfinished=[ONE]) == []


def test_a_doubled_marker_is_found_once():
    assert kinds([WHOLE, WHOLE], HELD) == ["doubled marker"]


def test_what_retention_may_have_deleted_is_left_out():
    recent = marker(ONE, {"b": 1}, accepted=1, finished=9000)
    assert kinds([WHOLE, recent], [], since=None) == ["missing rows", "missing refusal", "missing rows"]
    assert compared([WHOLE, recent], [], since=5000)[0][1] == "b"
    behind = tally(Batch("old", 7), accepted=1, made=4000)
    assert kinds([], [behind]) == ["left behind"]
    assert kinds([], [behind], since=4000) == []


REPLAYED = Batch(REPLAY_QUERY, 0)


def test_replayed_rows_come_out_of_the_replay():
    """Of three quarantined rows a replay accepted one, rejected one for another reason, and left one as it was."""
    before = marker(ZERO, {"a": 5}, accepted=2, quarantined=3)
    replay = marker(REPLAYED, {"a": 2}, accepted=1, quarantined=1)
    rows = [tally(ZERO, accepted=2), tally(ZERO, quarantined=1), tally(ZERO, quarantined=2, replayed_in=0)]
    again = [tally(REPLAYED, accepted=1), tally(REPLAYED, quarantined=1)]
    assert compared([before, replay], rows + again) == []

    [(kind, subject, found)] = compared([before, replay], rows + again[:1])
    assert (kind, subject) == ("missing rows", "a")
    assert "1 accepted, 0 quarantined) of replay 0" in found
    unmarked = [rows[0], tally(ZERO, quarantined=3)]
    [(kind, _, found)] = compared([before, replay], unmarked + again)
    assert (kind, found) == ("replay", "0 quarantined rows are marked as taken up by replay 0, by the ledger it gave 2")
    assert compared([before, replay], unmarked + again, since=1000) == []


def test_a_replayed_row_that_was_deleted_is_found_once():
    before = marker(ZERO, {"a": 2}, quarantined=2)
    replay = marker(REPLAYED, {"a": 2}, accepted=2)
    rows = [tally(ZERO, quarantined=1, replayed_in=0), tally(REPLAYED, accepted=2)]
    assert kinds([before, replay], rows) == ["missing rows"]


def test_a_replay_that_is_not_there():
    before = marker(ZERO, {"a": 1}, quarantined=1)
    rows = [tally(ZERO, quarantined=1, replayed_in=3)]
    [(kind, _, found)] = compared([before], rows)
    assert (kind, found.endswith("and is not there")) == ("replay", True)
    assert compared([before], rows, unfinished=[Batch(REPLAY_QUERY, 3)]) == []


def test_a_refused_file_that_a_replay_accepted_gives_new_rows():
    before = marker(ZERO, {"r": None}, refused=1)
    replay = marker(REPLAYED, {"r": 4}, accepted=3, quarantined=1)
    rows = [tally(ZERO, "r", refused=1, replayed_in=0), tally(REPLAYED, "r", accepted=3)]
    assert compared([before, replay], [*rows, tally(REPLAYED, "r", quarantined=1)]) == []
    assert kinds([before, replay], rows) == ["missing rows"]


def test_a_replay_of_late_observations_has_no_files():
    assert compared([WHOLE, marker(REPLAYED, {})], HELD) == []
