from datetime import UTC, datetime, timedelta

import pytest
from batch_records import evaluation_record
from experiment_standings import LOOKED, experiment_status

from penstock.operations.monitoring.status import CandidateInUse, LastBatch, ModelInUse, Reason, Status
from penstock.operations.monitoring.status_text import age_text, as_text

BATCH = LastBatch(
    batch_id=7,
    finished_at=datetime(2026, 1, 2, tzinfo=UTC),
    age_seconds=200,
    seconds=4.0,
    rows_in=1200,
    rows_per_second=300.0,
    accepted=1195,
    quarantined=5,
    failed=2,
    files_refused=1,
)
MODEL = ModelInUse(
    name="wine", version="3", since=datetime(2026, 1, 1, 12, 30, tzinfo=UTC), refused={"4": "it can't be loaded"}
)


def test_a_status_is_a_few_lines() -> None:
    reasons = tuple(Reason(stage="contract", reason=f"reason {number}", entries=20 - number) for number in range(12))
    status = Status(
        pipeline="wine",
        workload="rows",
        running=None,
        last_batch=BATCH,
        backlog_files=1500,
        model=MODEL,
        quarantine=reasons,
    )
    lines = as_text(status).splitlines()
    assert lines[:6] == [
        "pipeline    wine",
        "running     no",
        "last batch  7, 3 min ago: 1,200 rows in 4 s, 1,193 scored, 5 quarantined, 2 failed, 1 files refused "
        "(300 rows/s)",
        "backlog     1,500 files",
        "model       wine version 3 since 2026-01-01 12:30:00 UTC; version 4 refused: it can't be loaded",
        "quarantine  in the last 24 h, by reason:",
    ]
    assert lines[6] == "      20  contract: reason 0"
    assert lines[-1] == "       2  more reasons"
    assert len(lines) == 6 + 10 + 1


def test_the_pair_has_one_line() -> None:
    """`experiment`, where it names a pair; a candidate that is out is at the model in any case."""
    candidate = CandidateInUse(version="8", mode="shadow", fraction=0.5, key=(), began_at=LOOKED, is_bake=False)
    parts = {
        "running": None,
        "last_batch": None,
        "backlog_files": 0,
        "quarantine": (),
        "refused_candidates": {"9": "no"},
    }
    ended = experiment_status(alias=None, running=None)
    found = {}
    for name, experiment in (("both", experiment_status()), ("ended", ended), ("none", None)):
        status = Status(
            pipeline="wine", workload="rows", model=MODEL, candidate=candidate, experiment=experiment, **parts
        )
        [found[name]] = [line for line in as_text(status).splitlines() if line.startswith("model ")]
    alone = "model       wine version 3 since 2026-01-01 12:30:00 UTC; version 4 refused: it can't be loaded"
    assert found["both"] == f"{alone}; candidate 9 refused: no"
    beside = "; beside it version 8 (shadow, 50%) since 2026-03-03 12:00:00 UTC"
    assert found["ended"] == found["none"] == f"{alone}{beside}; candidate 9 refused: no"


def test_the_last_evaluation_has_a_line() -> None:
    """36 of the 40 that have a loss."""
    hour = datetime.now(UTC) - timedelta(hours=3)
    record = evaluation_record(7, evaluated_at=hour, unmatched=3)
    series = Status(
        pipeline="macro",
        workload="series",
        running=None,
        last_batch=None,
        backlog_files=0,
        model=None,
        quarantine=(),
        last_evaluation=record,
    )
    said = "7, 3 h ago: 48 pairs of 6 new observations, 90.0% within their intervals, 8 without an answer, "
    assert f"evaluation  {said}3 labels unmatched" in as_text(series).splitlines()
    of_rows = record.model_copy(update={"failed": 0, "unmatched": 0, "waiting": 1200, "unlabelled": 5})
    rows = series.model_copy(update={"workload": "rows", "last_evaluation": of_rows})
    said = "7, 3 h ago: 48 pairs of 6 new labels, 1,200 too young, 5 rows without a label"
    assert f"evaluation  {said}" in as_text(rows).splitlines()


def series_lines(**changes: object) -> list[str]:
    """The lines on the last batch and on its series."""
    batch = BATCH.model_copy(update=changes)
    status = Status(
        pipeline="macro",
        workload="series",
        running=None,
        last_batch=batch,
        backlog_files=0,
        model=MODEL,
        quarantine=(),
    )
    return as_text(status).splitlines()[2:4]


def test_accepted_observations_are_not_forecasts() -> None:
    """Of 1,195 accepted ones 1,150 have a forecast; the 2 on which the model failed are among the others."""
    reasons = {"gap": 10, "warming_up": 30, "late": 3, "model": 2}
    assert series_lines(without_forecast=reasons, series=1000, series_without_forecast=37) == [
        "last batch  7, 3 min ago: 1,200 rows in 4 s, 1,150 with a forecast, 45 without (30 warming_up, 10 gap, "
        "3 late, 2 model), 5 quarantined, 2 failed, 1 files refused (300 rows/s)",
        "series      1,000 in the last batch, 37 of them without a forecast of a VAR in it",
    ]


def test_no_reason_is_shown_where_every_observation_has_a_forecast() -> None:
    batch, _ = series_lines(without_forecast={}, series=3, series_without_forecast=0)
    assert "1,195 with a forecast, 0 without, 5 quarantined" in batch


def test_forecasts_of_a_fallback_are_counted_by_themselves() -> None:
    batch, _ = series_lines(without_forecast={"fallback": 40, "gap": 5}, series=3, series_without_forecast=1)
    assert "1,150 with a forecast, 40 by the fallback, 5 without (5 gap), 5 quarantined" in batch


def test_a_fallback_does_not_hide_that_a_var_failed() -> None:
    counts = {"fallback": 38, "fallback_of_failure": 2, "gap": 5}
    batch, _ = series_lines(without_forecast=counts, series=3, series_without_forecast=1)
    assert "40 by the fallback, 2 of them where the VAR failed, 5 without (5 gap), 5 quarantined" in batch


def test_a_batch_that_did_not_count_forecasts_says_so() -> None:
    batch, series = series_lines()
    assert "1,195 accepted, 5 quarantined" in batch
    assert "not counted in the last batch" in series


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0 s"), (119, "119 s"), (120, "2 min"), (7200, "2 h"), (172800, "2 d"), (864000, "10 d")]
)
def test_an_age_has_one_unit(seconds: float, text: str) -> None:
    assert age_text(seconds) == text
