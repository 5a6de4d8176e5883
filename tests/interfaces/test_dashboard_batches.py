import pytest
from dashboard_tables import START, WINE_CONF, WrittenTables, batch, minutes

from penstock.interfaces.dashboard.queries import batches


@pytest.fixture
def tables(tmp_path):
    """Three batches: at 12:00 and at 12:20 for 2 s each, and at 13:30 for 4 s one of another version."""
    made = WrittenTables(tmp_path, WINE_CONF)
    made.append("batches", batch(0, at=minutes(0), seconds=2), batch(1, at=minutes(20), seconds=2))
    late = {"rows_in": 100, "accepted": 90, "quarantined": 10, "failed": 5, "files_refused": 1}
    refused = [("3", "it gives string")]
    made.append(
        "batches",
        batch(2, at=minutes(90), seconds=4, versions=[("champion", "2")], refused_versions=refused, **late),
    )
    return made


def test_totals_are_those_of_the_window(tables):
    found = tables.query(batches.totals, since=START)
    assert (found.batches, found.rows_in, found.quarantined, found.failed, found.files_refused) == (3, 120, 14, 7, 1)
    assert found.scored == 7 + 7 + 85
    assert (found.busy_seconds, found.rows_per_second, found.first_at) == (8, 15, START)
    assert tables.query(batches.totals, since=minutes(60)).rows_in == 100


def test_totals_of_nothing_are_zero(tables):
    found = tables.query(batches.totals, since=minutes(1000))
    assert (found.batches, found.rows_in, found.rows_per_second, found.first_at) == (0, 0, None, None)


def test_rows_over_time_are_cut_at_round_times(tables):
    found = tables.query(batches.rows_over_time, since=START, width_seconds=1800)
    rows = {(time.to_pydatetime(), outcome): rows for time, outcome, rows in found.itertuples(index=False)}
    assert rows == {
        (minutes(0), "scored"): 14,
        (minutes(0), "quarantined"): 4,
        (minutes(0), "failed"): 2,
        (minutes(90), "scored"): 85,
        (minutes(90), "quarantined"): 10,
        (minutes(90), "failed"): 5,
    }


def test_seconds_by_phase_add_up_to_a_batchs_time(tables):
    found = tables.query(batches.phase_seconds, since=START, limit=2)
    assert set(found["position"]) == {0, 1}
    seconds = {(batch, phase): value for batch, phase, value in found[["batch", "phase", "seconds"]].values}
    assert seconds == {
        ("1", "plan"): 0.5,
        ("1", "predictions"): 1.0,
        ("1", "other"): 0.5,
        ("2", "plan"): 0.5,
        ("2", "predictions"): 1.0,
        ("2", "other"): 2.5,
    }


def test_batches_come_newest_first_and_no_more_than_asked_for(tables):
    found = tables.query(batches.last_batches, since=START, limit=2)
    assert list(found["batch"]) == ["2", "1"]
    newest = found.iloc[0]
    assert (newest["rows_per_second"], newest["files"], newest["version"]) == (25, 1, "2")
    assert newest["refused_versions"] == "3: it gives string"
    assert found.iloc[1]["refused_versions"] == ""


def test_a_replay_is_named_apart_from_the_streams_batches(tables):
    tables.append("batches", batch(0, at=minutes(100), seconds=1, query_id="replay"))
    assert tables.query(batches.last_batches, since=START, limit=1)["batch"][0] == "replay 0"


def test_files_of_one_batch_only(tables):
    files = [{"path": f"/inbox/{name}.csv", "length": 5, "rows": rows} for name, rows in (("b", None), ("a", 3))]
    tables.append("batches", batch(3, at=minutes(99), seconds=1, files=files))
    found = tables.query(batches.files_of, query_id="q", batch_id=3, limit=10)
    assert list(found["path"]) == ["/inbox/a.csv", "/inbox/b.csv"]
    assert found["rows"][0] == 3
    assert found["rows"].isna()[1]
    assert len(tables.query(batches.files_of, query_id="q", batch_id=3, limit=1)) == 1
    assert tables.query(batches.files_of, query_id="other", batch_id=3, limit=10).empty


def test_a_file_before_the_window_is_not_read(tables):
    tables.lose_oldest_file("batches")
    assert tables.query(batches.totals, since=minutes(60)).batches == 1
