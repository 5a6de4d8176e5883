"""The memory of a run is bounded, and its totals are those of all batches."""

import gc
import weakref

from batch_records import batch_record

from penstock.pipeline.batch_record import FileCount
from penstock.pipeline.run_records import KEPT_RECORDS, RunRecords, RunTotals

BATCHES = KEPT_RECORDS + 30


def test_a_long_run_keeps_its_last_batches_and_counts_all():
    records, seen = RunRecords(), []
    for number in range(BATCHES):
        counts = {f"/in/{number}-{each}.csv": FileCount(accepted=5, failed=1, quarantined=2) for each in range(3)}
        record = batch_record(counts, refused_files=(f"/in/{number}-bad.csv",), seconds=number)
        seen.append(weakref.ref(record))
        records.add(record)
    del record
    gc.collect()
    assert [reference() is None for reference in seen] == [True] * 30 + [False] * KEPT_RECORDS
    assert [(record.finished_at - record.started_at).total_seconds() for record in records] == list(range(30, BATCHES))
    assert records.totals == RunTotals(
        batches=BATCHES,
        files=4 * BATCHES,
        files_refused=BATCHES,
        rows_in=21 * BATCHES,
        accepted=15 * BATCHES,
        failed=3 * BATCHES,
        quarantined=6 * BATCHES,
    )


def test_a_run_without_files_is_an_empty_list_with_totals_of_zero():
    records = RunRecords()
    assert records == []
    assert records.totals == RunTotals()


def test_the_record_of_a_single_batch_can_be_taken_from_it():
    [record] = RunRecords([batch_record({"/in/a.csv": FileCount(accepted=1)})])
    assert record.accepted == 1
