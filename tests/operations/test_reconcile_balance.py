from penstock.operations.reconcile.balance import File, Total, balance_of, totals_by_state
from penstock.operations.reconcile.files import Classification, Delivery, State
from penstock.operations.reconcile.ledger_rows import Batch, Marker, RowCounts, Tally
from penstock.pipeline.replay.plans import REPLAY_QUERY
from penstock.storage.files import FileStatus

ZERO, ONE, REPLAYED = Batch("q", 0), Batch("q", 1), Batch(REPLAY_QUERY, 0)
STATUS = FileStatus(length=10, modified_milliseconds=1000)


def row_counts(*tallies, finished=(ZERO,)):
    markers = [
        Marker(batch=batch, finished_milliseconds=5, accepted=0, quarantined=0, files_refused=0, entries=())
        for batch in finished
    ]
    return RowCounts.of(markers, tallies)


def delivery(rows=3, finished=5):
    return Delivery(batch=ZERO, status=STATUS, rows=rows, finished_milliseconds=finished)


def file(state, *deliveries, path="a", counted=None, status=STATUS):
    classification = Classification(state=state, delivery=deliveries[-1] if deliveries else None)
    return File(path=path, status=status, classification=classification, deliveries=deliveries, counted=counted)


def equation(files, held, since=None):
    balance = balance_of(files, held, since_milliseconds=since)
    sides = (balance.inbox, balance.elsewhere, balance.scored, balance.quarantined, balance.pending)
    return (*sides, balance.unaccounted)


def test_replayed_rows_count_as_what_they_became():
    before = [Tally(batch=ZERO, path="a", accepted=1), Tally(batch=ZERO, path="a", quarantined=2, replayed_in=0)]
    replayed = [Tally(batch=REPLAYED, path="a", accepted=1), Tally(batch=REPLAYED, path="a", quarantined=1)]
    scored = [file(State.SCORED, delivery())]
    assert equation(scored, row_counts(*before, *replayed, finished=[ZERO, REPLAYED])) == (3, 0, 2, 1, 0, 0)
    assert equation(scored, row_counts(*before, *replayed)) == (3, 0, 1, 2, 0, 0)


def test_rows_of_a_batch_that_is_not_finished_do_not_count():
    held = row_counts(Tally(batch=ZERO, path="a", accepted=3), Tally(batch=ONE, path="b", accepted=2))
    files = [file(State.SCORED, delivery()), file(State.PENDING, path="b", counted=2)]
    assert equation(files, held) == (5, 0, 3, 0, 2, 0)


def test_files_gone_and_earlier_contents_stand_beside_the_inbox():
    held = row_counts(Tally(batch=ZERO, path="a", accepted=3), Tally(batch=ZERO, path="b", accepted=7))
    gone = file(State.NO_LONGER_THERE, delivery(), status=None)
    again = file(State.SCORED, delivery(rows=5), delivery(rows=2), path="b", counted=2)
    assert equation([gone, again], held) == (2, 8, 10, 0, 0, 0)


def test_what_is_counted_counts_and_not_the_ledger():
    held = row_counts(Tally(batch=ZERO, path="a", accepted=3))
    assert equation([file(State.SCORED, delivery(), counted=5)], held) == (5, 0, 3, 0, 0, 2)
    assert equation([file(State.CHANGED, delivery(), counted=5)], held) == (5, 3, 3, 0, 0, 5)


def test_a_file_of_which_rows_may_have_been_deleted_is_left_out():
    held = row_counts(Tally(batch=ZERO, path="a", accepted=1), Tally(batch=ZERO, path="b", accepted=3))
    files = [file(State.SCORED, delivery(finished=4)), file(State.SCORED, delivery(finished=6), path="b")]
    assert equation(files, held, since=5) == (3, 0, 3, 0, 0, 0)
    assert balance_of(files, held, since_milliseconds=5).expired == 3


def test_totals_say_how_many_files_were_not_counted():
    files = [
        file(State.PENDING, counted=2),
        file(State.PENDING),
        file(State.REFUSED, delivery(rows=None)),
        file(State.VANISHED, status=None),
    ]
    totals = totals_by_state(files)
    assert totals[State.PENDING] == Total(files=2, rows=2, not_counted=1)
    assert totals[State.REFUSED] == totals[State.VANISHED] == Total(files=1)
    assert totals[State.LOST] == Total()
