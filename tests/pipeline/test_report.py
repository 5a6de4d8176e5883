"""The lines that a batch and a replay leave in the log."""

from batch_records import batch_record

from penstock.pipeline.batch_record import BatchRecord, FileCount, ForecastCount
from penstock.pipeline.replay.report import report
from penstock.pipeline.stream import progress_line
from penstock.spark.series_counts import SeriesCount


def record(**without: int) -> BatchRecord:
    """Of 24 accepted observations."""
    forecasts = ForecastCount(without_forecast=without, series=SeriesCount(series=2, without_forecast=0))
    return batch_record({"/in/a.csv": FileCount(accepted=24)}, forecasts=forecasts)


def test_a_batch_of_series_says_how_many_have_a_forecast_and_why_others_have_none() -> None:
    line = progress_line(record(gap=1, warming_up=2), 2.0)
    assert line == (
        "batch 0: 1 files, 24 rows in 2.0 s, 21 forecast by version 1, 3 without a forecast (2 warming_up, 1 gap)"
    )
    assert progress_line(record(), 2.0) == "batch 0: 1 files, 24 rows in 2.0 s, 24 forecast by version 1"


def test_a_batch_of_rows_is_scored() -> None:
    of_rows = batch_record({"/in/a.csv": FileCount(accepted=5, failed=1)})
    assert progress_line(of_rows, 2.0) == (
        "batch 0: 1 files, 5 rows in 2.0 s, 4 scored by version 1, 1 failed in the model"
    )


def test_a_replay_says_it_too() -> None:
    assert report(record(gap=3)) == (
        "replay 0: 24 rows accepted, by version 1, 0 rejected for other reasons than before, "
        "1 refused files read, 3 without a forecast (3 gap)"
    )
