"""The page of model versions: its queries over evaluations made by hand, and the real page."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from dashboard_tables import MACRO_CONF, START, WINE_CONF, WrittenTables, evaluated, minutes, quarter
from streamlit.testing.v1 import AppTest

from penstock.interfaces.dashboard.launching import PAGE
from penstock.interfaces.dashboard.queries import evaluations as queries

RECENTLY = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=10)
YEAR = 364 * 86400


@pytest.fixture
def macro(tmp_path):
    """Version 1 in two quarters, version 2 in one; its second step is worse than the naive forecast. One evaluation is
    of a day ago, one of revised data, and one by another loss."""
    made = WrittenTables(tmp_path, MACRO_CONF)
    now = {"evaluated_at": RECENTLY}
    made.append(
        "evaluations",
        evaluated("1", unit=quarter(0), pairs=10, **now),
        evaluated("1", unit=quarter(1), pairs=30, champion_loss=30.0, champion_failed=10, scored_pairs=20, **now),
        evaluated("2", unit=quarter(8), pairs=10, **now),
        evaluated("2", unit=quarter(8), pairs=10, step=2, champion_abs=80.0, **now),
        evaluated("2", unit=quarter(8), pairs=10, variable="realcons", champion_within=None, naive_abs=None, **now),
        evaluated("2", unit=quarter(8), pairs=10, champion_loss=1e9, is_final=True, **now),
        evaluated("2", unit=quarter(8), pairs=10, champion_loss=1e9, loss="absolute", **now),
        evaluated("0", unit=quarter(0), evaluated_at=RECENTLY - timedelta(days=2)),
    )
    return made


@pytest.fixture
def opened(monkeypatch):
    def open_models(tables, window="24 hours"):
        monkeypatch.setattr("sys.argv", [str(PAGE), "--conf", str(tables.conf)])
        page = AppTest.from_file(str(PAGE), default_timeout=300)
        page.query_params["view"] = "Models"
        page.query_params["window"] = window
        page.run()
        assert not page.exception
        return page

    return open_models


def charts(page):
    return page.get("arrow_vega_lite_chart") or page.get("vega_lite_chart")


def choice(page):
    return next(one for one in page.selectbox if one.label == "Variable")


def test_the_sums_are_added_before_they_are_divided(macro):
    """Version 1: losses of 5 + 30 over 10 + 20 pairs, errors of 30 + 90 over 10 + 20, the naive ones 40 + 120."""
    asked = {"loss": "wis", "variable": "realgdp", "steps": [1], "since": RECENTLY - timedelta(hours=1)}
    found = macro.query(queries.versions, **asked).set_index("version")
    assert list(found.index) == ["2", "1"]
    one = found.loc["1"]
    assert (one["pairs"], one["failed"], one["loss"]) == (40, 10, pytest.approx(35 / 30))
    assert (one["mae"], one["ratio_to_naive"]) == (pytest.approx(120 / 30), pytest.approx(120 / 160))
    assert (one["coverage"], one["mean_delay_seconds"]) == (pytest.approx((9 + 27) / 30), 60.0)
    both = macro.query(queries.versions, **{**asked, "steps": [1, 2]}).set_index("version")
    assert both.loc["2", "ratio_to_naive"] == pytest.approx((30 + 80) / 80)
    years = macro.query(queries.over_time, **asked, width_seconds=YEAR)
    assert years["version"].tolist() == ["1", "2"]
    assert years["pairs"].tolist() == [40, 10]
    quarters = macro.query(queries.over_time, **asked, width_seconds=86400)
    assert [time.to_pydatetime() for time in quarters["starts_at"]] == [quarter(0), quarter(1), quarter(8)]


def test_what_there_is_to_choose_from(macro):
    found = macro.query(queries.evaluated, loss="wis", since=START - timedelta(days=9999))
    assert (found.variables, found.steps) == (("realcons", "realgdp"), (1, 2))
    assert (found.first_unit, found.last_unit) == (quarter(0), quarter(8))
    assert macro.query(queries.evaluated, loss="wis", since=RECENTLY + timedelta(days=1)) is None


def test_the_page_shows_each_version_beside_the_naive_forecast(opened, macro):
    page = opened(macro)
    assert choice(page).options == ["realgdp", "realcons"]
    shown = {metric.label: metric.value for metric in page.metric}
    assert shown == {
        "Newest version": "2",
        "Pairs": "10",
        "Mean loss": "0.5",
        "Error / naive": "0.75",
        "Coverage": "90.0%",
    }
    [table] = [one.value for one in page.dataframe]
    assert table["version"].tolist() == ["2", "1"]
    specs = [json.loads(chart.proto.spec) for chart in charts(page)]
    assert len(specs) == 3
    rules = [[layer["mark"]["type"] for layer in spec["layer"]] for spec in specs]
    assert rules == [["line"], ["rule", "line"], ["rule", "line"]]
    assert [spec["layer"][0]["encoding"]["y"]["datum"] for spec in specs[1:]] == [1.0, 0.95]
    page.multiselect[0].set_value([2]).run()
    assert {metric.label: metric.value for metric in page.metric}["Error / naive"] == "2"
    page.multiselect[0].set_value([]).run()
    assert [info.value for info in page.info] == ["Select at least one step."]


def test_a_variable_without_naive_and_coverage_has_one_chart(opened, macro):
    page = opened(macro)
    choice(page).set_value("realcons").run()
    assert {metric.label: metric.value for metric in page.metric}["Coverage"] == "–"
    assert len(charts(page)) == 1


def test_the_window_is_of_when_it_was_evaluated(opened, macro):
    page = opened(macro, "7 days")
    assert page.dataframe[0].value["version"].tolist() == ["2", "1", "0"]


def test_rows_have_a_loss_alone(opened, tmp_path):
    made = WrittenTables(tmp_path, WINE_CONF)
    of_rows = {"loss": "absolute", "variable": None, "step": None, "naive_abs": None, "champion_within": 0}
    made.append(
        "evaluations",
        *[evaluated("7", unit=minutes(60 * hour), evaluated_at=RECENTLY, **of_rows) for hour in range(3)],
    )
    page = opened(made)
    assert {metric.label: metric.value for metric in page.metric}["Coverage"] == "–"
    assert len(charts(page)) == 1
    assert not page.multiselect


def test_without_evaluations_it_says_how_to_get_them(opened, tmp_path):
    made = WrittenTables(tmp_path, WINE_CONF)
    [info] = [one.value for one in opened(made).info]
    assert info.startswith("There are no evaluations yet. `penstock evaluate --conf …` judges what has come true")
    made.append(
        "evaluations", evaluated("1", unit=minutes(0), loss="absolute", evaluated_at=RECENTLY - timedelta(days=3))
    )
    [info] = [one.value for one in opened(made).info]
    assert info.startswith("Nothing was evaluated by the loss absolute in this window (24 hours); select a longer")


def test_the_registry_is_asked_when_it_is_wanted(opened, macro, registry):
    text = macro.template.replace("sqlite:///{root}/mlflow.db", registry.uri)
    page = opened(WrittenTables(macro.root, text))
    next(one for one in page.toggle if one.label == "With the registry").set_value(True).run()
    [shown] = [code.value for code in page.code]
    assert shown.startswith("wine-quality, pipeline macro: no version has answered yet")
