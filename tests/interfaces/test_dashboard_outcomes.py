"""What became of observations, over batches made by hand; the older ones are of a version that did not count."""

import pytest
from dashboard_tables import MACRO_CONF, START, WrittenTables, batch, minutes
from deltalake import write_deltalake

from penstock.interfaces.dashboard.queries import batches, outcomes
from penstock.interfaces.dashboard.reading import connected
from penstock.operations.monitoring.status import read_status

NEW_COLUMNS = ["without_forecast", "series", "series_without_forecast"]


def made_at(folder):
    (folder / "inbox").mkdir()
    return WrittenTables(folder, MACRO_CONF)


@pytest.fixture
def tables(tmp_path):
    """At 12:00 8 observations of which 5 have a forecast and 1 failed; at 12:20 8 that all have one; at 13:30 8 that
    nobody counted."""
    made = made_at(tmp_path)
    counted = {"series": 4, "series_without_forecast": 1}
    reasons = [("gap", 1), ("model", 1), ("warming_up", 1)]
    made.append("batches", batch(0, at=minutes(0), seconds=2, without_forecast=reasons, **counted))
    made.append("batches", batch(1, at=minutes(20), seconds=2, without_forecast=[], failed=0, **counted))
    made.append("batches", batch(2, at=minutes(90), seconds=2))
    return made


def ask(tables, question, **parameters):
    with connected(tables.config, ("batches",)) as connection:
        return question(connection, **parameters)


def test_observations_by_outcome(tables):
    found = ask(tables, outcomes.by_outcome, since=START)
    assert [tuple(row) for row in found.itertuples(index=False)] == [
        ("forecast", 13),
        ("accepted", 8),
        ("gap", 1),
        ("model", 1),
        ("warming_up", 1),
    ]
    assert ask(tables, outcomes.by_outcome, since=minutes(1000)).empty


def test_observations_over_time(tables):
    found = ask(tables, outcomes.observations_over_time, since=START, width_seconds=1800)
    rows = {(time.to_pydatetime(), outcome): rows for time, outcome, rows in found.itertuples(index=False) if rows}
    assert rows == {
        (minutes(0), "forecast"): 13,
        (minutes(0), "no forecast"): 2,
        (minutes(0), "failed"): 1,
        (minutes(0), "quarantined"): 4,
        (minutes(90), "accepted"): 7,
        (minutes(90), "failed"): 1,
        (minutes(90), "quarantined"): 2,
    }


def test_a_fallback_is_an_outcome_of_its_own(tables):
    counted = {"series": 4, "series_without_forecast": 3, "failed": 0}
    tables.append(
        "batches",
        batch(
            3,
            at=minutes(300),
            seconds=2,
            without_forecast=[("fallback", 2), ("fallback_of_failure", 1), ("gap", 1)],
            **counted,
        ),
    )
    found = ask(tables, outcomes.observations_over_time, since=minutes(299), width_seconds=1800)
    assert {outcome: rows for _, outcome, rows in found.itertuples(index=False) if rows} == {
        "forecast": 4,
        "fallback": 3,
        "no forecast": 1,
        "quarantined": 2,
    }


def test_batches_say_how_many_have_a_forecast(tables):
    found = ask(tables, batches.last_batches, since=START, limit=9)
    assert found["with_forecast"].isna().tolist() == [True, False, False]
    assert found["with_forecast"].tolist()[1:] == [8, 5]
    assert found["without_forecast"].tolist()[1:] == ["", "1 gap, 1 model, 1 warming_up"]
    assert found["series_without_forecast"].tolist()[1:] == [1, 1]


@pytest.fixture
def old_tables(tmp_path):
    """The table `batches` as versions up to 0.2.0 made it."""
    made = made_at(tmp_path)
    rows = made.arrow("batches", batch(0, at=minutes(0), seconds=2)).drop_columns(NEW_COLUMNS)
    write_deltalake(str(made.root / "tables" / "batches"), rows)
    return made


def test_tables_of_an_earlier_version_are_read(old_tables):
    found = ask(old_tables, outcomes.by_outcome, since=START)
    assert [tuple(row) for row in found.itertuples(index=False)] == [("accepted", 8)]
    assert ask(old_tables, batches.last_batches, since=START, limit=9)["series"].isna().all()


def test_the_status_of_an_earlier_version_has_no_reasons(old_tables):
    assert read_status(old_tables.config).last_batch.without_forecast is None


def test_the_status_has_the_last_batchs_reasons(tables):
    counted = {"without_forecast": [("late", 2)], "series": 7, "series_without_forecast": 2}
    tables.append("batches", batch(3, at=minutes(99), seconds=1, **counted))
    last = read_status(tables.config).last_batch
    assert (last.without_forecast, last.with_forecast) == ({"late": 2}, 6)
    assert (last.series, last.series_without_forecast) == (7, 2)
