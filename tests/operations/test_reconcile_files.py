import pytest

from penstock.operations.reconcile.files import Delivery, FileClassifier, Progress, State, Stream, deliveries
from penstock.operations.reconcile.ledger_rows import Batch, Entry, Marker, RowCounts, Tally
from penstock.pipeline.replay.plans import REPLAY_QUERY
from penstock.sources.checkpoint import Logged
from penstock.storage.files import FileStatus

BATCH = Batch("q", 0)
FINISHED_OFFSET = 4
THEN = FileStatus(length=10, modified_milliseconds=1_000_000)
NOW = FileStatus(length=12, modified_milliseconds=1_000_500)
OLD = FileStatus(length=12, modified_milliseconds=400_000)


def classifier(*, offset=None, modified=THEN.modified_milliseconds, forgotten_before=500_000, expired=None):
    """A classifier whose stream has seen the file `f` as the log entry `offset`; None: it has not seen it."""
    log = {} if offset is None else {"f": Logged(modified_milliseconds=modified, offset=offset)}
    return FileClassifier(
        stream=Stream(query_id="q", committed=0, log=log, forgotten_before=forgotten_before),
        progress=Progress(
            query_id="q", finished=2, planned=3, offset=FINISHED_OFFSET, unfinished_replays=frozenset({2})
        ),
        expired_milliseconds=expired,
    )


def delivery(status=THEN, rows=3):
    return Delivery(batch=BATCH, status=status, rows=rows, finished_milliseconds=5000)


def state(status, *delivered, **options):
    return classifier(**options).classify("f", status, delivered).state


TAKEN, WAITING = FINISHED_OFFSET, FINISHED_OFFSET + 1


@pytest.mark.parametrize(
    ("status", "offset", "delivered", "expected"),
    [
        (THEN, TAKEN, [delivery()], State.SCORED),
        (THEN, TAKEN, [delivery(rows=0)], State.SCORED),
        (THEN, TAKEN, [delivery(rows=None)], State.REFUSED),
        (THEN, None, [delivery()], State.SCORED),
        (THEN, WAITING, [delivery()], State.SCORED),
        (THEN, None, [], State.PENDING),
        (THEN, WAITING, [], State.PENDING),
        (NOW, WAITING, [], State.PENDING),
        (NOW, TAKEN, [delivery()], State.CHANGED),
        (NOW, TAKEN, [delivery(rows=None)], State.CHANGED),
        (NOW, TAKEN, [delivery(status=None, rows=None)], State.CHANGED),
        (NOW, None, [delivery()], State.PENDING),
        (NOW, WAITING, [delivery()], State.PENDING),
        (THEN, TAKEN, [], State.LOST),
        (None, TAKEN, [], State.LOST),
        (None, TAKEN, [delivery()], State.NO_LONGER_THERE),
        (None, None, [delivery()], State.NO_LONGER_THERE),
        (None, WAITING, [], State.VANISHED),
        (None, WAITING, [delivery()], State.NO_LONGER_THERE),
        (None, WAITING, [delivery(status=OLD)], State.VANISHED),
        (OLD, None, [], State.TOO_OLD),
        (OLD, WAITING, [], State.PENDING),
    ],
)
def test_what_became_of_a_file(status, offset, delivered, expected):
    assert state(status, *delivered, offset=offset) == expected


def test_a_file_that_the_stream_forgot_is_seen_again_if_it_is_new_enough():
    """It was seen, and source.max_file_age is over."""
    forgotten = {"offset": TAKEN, "modified": OLD.modified_milliseconds}
    assert state(NOW, delivery(status=OLD), **forgotten) == State.PENDING
    assert (
        state(FileStatus(length=1, modified_milliseconds=300_000), delivery(status=OLD), **forgotten) == State.TOO_OLD
    )


def test_a_file_that_retention_took_from_the_ledger_is_not_lost():
    assert state(THEN, offset=TAKEN, expired=THEN.modified_milliseconds) == State.EXPIRED
    assert state(THEN, offset=TAKEN, expired=THEN.modified_milliseconds - 1) == State.LOST


def test_the_newest_delivery_counts():
    found = classifier(offset=TAKEN).classify("f", THEN, [delivery(rows=None), delivery(rows=2)])
    assert (found.state, found.delivery.rows) == (State.SCORED, 2)


@pytest.mark.parametrize(
    ("batch", "unfinished"),
    [
        (Batch("q", 2), False),
        (Batch("q", 3), True),
        (Batch("q", 4), False),
        (Batch("other", 3), False),
        (Batch(REPLAY_QUERY, 1), False),
        (Batch(REPLAY_QUERY, 2), True),
        (Batch(REPLAY_QUERY, 3), False),
    ],
)
def test_which_batches_go_on(batch, unfinished):
    assert classifier().progress.is_unfinished(batch) == unfinished


def row_counts(*batches, tallies=()):
    """batches: (batch, path, status, rows)."""
    return RowCounts.of(
        [
            Marker(
                batch=batch,
                finished_milliseconds=number,
                accepted=0,
                quarantined=0,
                files_refused=0,
                entries=(Entry(path=path, status=status, rows=rows),),
            )
            for number, (batch, path, status, rows) in enumerate(batches)
        ],
        tallies,
    )


def found(*batches, tallies=()):
    return [(one.batch, one.status, one.rows) for one in deliveries(row_counts(*batches, tallies=tallies)).get("f", [])]


def test_deliveries_are_in_the_order_of_the_batches():
    other = Batch("q2", 0)
    assert found((BATCH, "f", THEN, 3), (other, "f", NOW, None)) == [(BATCH, THEN, 3), (other, NOW, None)]


def test_a_file_done_by_an_earlier_query_is_no_delivery_and_a_vanished_one_is():
    assert found((BATCH, "f", None, None)) == []
    refused = Tally(batch=BATCH, path="f", refused=1)
    assert found((BATCH, "f", None, None), tallies=[refused]) == [(BATCH, None, None)]


REPLAYED = Batch(REPLAY_QUERY, 0)


def test_a_replay_of_rows_is_no_delivery():
    rows = Tally(batch=BATCH, path="f", quarantined=2, replayed_in=0)
    batches = (BATCH, "f", THEN, 3), (REPLAYED, "f", NOW, 2)
    assert found(*batches, tallies=[rows]) == [(BATCH, THEN, 3)]


@pytest.mark.parametrize(("status", "expected"), [(NOW, NOW), (None, THEN)])
def test_a_replay_of_a_refused_file_is_a_delivery(status, expected):
    refused = Tally(batch=BATCH, path="f", refused=1, replayed_in=0)
    batches = (BATCH, "f", THEN, None), (REPLAYED, "f", status, 4)
    assert found(*batches, tallies=[refused])[1] == (REPLAYED, expected, 4)
    again = Tally(batch=REPLAYED, path="f", refused=1)
    assert found(*batches, tallies=[refused, again])[1] == (REPLAYED, expected, None)
