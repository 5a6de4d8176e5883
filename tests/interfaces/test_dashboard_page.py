"""The real page, run by Streamlit's own runner without a browser."""

from datetime import UTC, datetime, timedelta

import pytest
from dashboard_tables import (
    LABELS_CONF,
    MACRO_CONF,
    WINE_CONF,
    WrittenTables,
    batch,
    forecast,
    observed,
    quarter,
    rejected,
    scored,
)
from pyspark.sql.types import DoubleType, StringType, StructField, StructType
from streamlit.testing.v1 import AppTest

from penstock.config.loading import load_config
from penstock.interfaces.dashboard.launching import PAGE
from penstock.pipeline.lease import Lease, lease_path
from penstock.storage.routing import storage_of

PATIENCE_SECONDS = 300
#: In the window of 24 hours, which the page begins with; and before it.
RECENTLY = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=10)
LONG_AGO = RECENTLY - timedelta(days=3)


@pytest.fixture
def opened(monkeypatch):
    """Opens the page of some tables at a view, as the job hands the config over."""

    def open_page(tables, view=None, *options):
        monkeypatch.setattr("sys.argv", [str(PAGE), "--conf", str(tables.conf), *options])
        page = AppTest.from_file(str(PAGE), default_timeout=PATIENCE_SECONDS).run()
        if view:
            page.sidebar.radio[0].set_value(view).run()
        assert not page.exception
        return page

    return open_page


@pytest.fixture
def wines(tmp_path):
    made = WrittenTables(tmp_path, WINE_CONF)
    counts = {"rows_in": 2000, "accepted": 1990, "quarantined": 10, "failed": 4}
    made.append(
        "batches",
        batch(0, at=LONG_AGO, seconds=1),
        batch(1, at=RECENTLY, seconds=4, refused_versions=[("2", "it gives string")], **counts),
    )
    made.append("predictions", scored(5.0, at=LONG_AGO), *(scored(float(value), at=RECENTLY) for value in range(9)))
    made.append(
        "quarantine",
        rejected("alcohol: 'abc' is not a double", at=RECENTLY, raw="1,abc", source_file=f"{tmp_path}/inbox/a.csv"),
        rejected("ph: is null", at=RECENTLY, raw="2,", header="fixed acidity,pH"),
        rejected("header: column 'ph' is missing", at=RECENTLY, stage="file", raw=None, header=None),
    )
    return made


@pytest.fixture
def macro(tmp_path):
    made = WrittenTables(tmp_path, MACRO_CONF)
    made.append("batches", batch(0, at=RECENTLY, seconds=1))
    made.append("observations", *(observed(100.0 + 10 * number, at=number) for number in range(4)))
    made.append("forecasts", *(forecast(130.0 + step, cutoff=2, step=step) for step in (1, 2)))
    return made


def metrics(page):
    return {metric.label: metric.value for metric in page.metric}


def texts(page):
    return [element.value for element in (*page.info, *page.error, *page.warning, *page.caption)]


def box(page, label):
    return next(select for select in page.selectbox if select.label == label)


def charts(page):
    return page.get("arrow_vega_lite_chart") or page.get("vega_lite_chart")


def test_health_shows_the_last_batch_and_the_window(opened, wines):
    page = opened(wines)
    shown = metrics(page)
    age, unit = shown.pop("Age of last batch").split()
    # Other tests may have taken long since this file was read.
    assert (unit, int(age)) == ("min", pytest.approx((datetime.now(UTC) - RECENTLY).total_seconds() / 60, abs=1))
    assert shown == {
        "Writer": "none",
        "Rows in it": "2,000",
        "Rows/s in it": "500",
        "Model version": "1",
        "Batches": "1",
        "Rows in": "2,000",
        "Scored": "1,986",
        "Quarantined": "10",
        "Failed": "4",
        "Rows/s": "500",
    }
    assert "Version 2 was refused, and the previous one stays in use: it gives string" in texts(page)
    assert any(f"version 1 of wine-quality since {LONG_AGO:%Y-%m-%d %H:%M:%S} UTC" in text for text in texts(page))
    assert len(charts(page)) == 2


def test_a_pipeline_of_labels_has_no_model_and_no_view_of_answers(opened, tmp_path):
    made = WrittenTables(tmp_path, LABELS_CONF)
    made.append(
        "batches", batch(1, at=RECENTLY, seconds=4, versions=[], rows_in=12, accepted=9, quarantined=3, failed=0)
    )
    made.append("quarantine", rejected("quality: is null", at=RECENTLY, raw="3,"))
    page = opened(made)
    assert page.sidebar.radio[0].options == ["Health", "Quarantine", "Batches"]
    assert "labels" in [caption.value for caption in page.sidebar.caption]
    shown = metrics(page)
    assert (shown["Model version"], shown["Accepted"], shown["Quarantined"], shown["Failed"]) == ("none", "9", "3", "0")
    assert len(charts(page)) == 2
    for view in ("Quarantine", "Batches"):
        page.sidebar.radio[0].set_value(view).run()
        assert not page.exception
        assert texts(page)


def test_a_longer_window_holds_more(opened, wines):
    page = opened(wines)
    page.sidebar.selectbox[0].set_value("7 days").run()
    assert (metrics(page)["Batches"], metrics(page)["Rows in"]) == ("2", "2,010")
    page.sidebar.selectbox[0].set_value("all").run()
    assert metrics(page)["Batches"] == "2"


def test_health_says_that_a_job_is_running(opened, wines):
    config = load_config([wines.conf])
    with Lease(storage=storage_of(config), path=lease_path(config.tables.root), job="score_stream"):
        assert metrics(opened(wines))["Writer"] == "running"


def test_the_tables_are_read_again_when_asked(opened, wines):
    page = opened(wines)
    wines.append("batches", batch(2, at=RECENTLY + timedelta(minutes=5), seconds=1))
    page.sidebar.button[0].click().run()
    assert metrics(page)["Batches"] == "2"


def test_predictions_of_the_window(opened, wines):
    page = opened(wines, "Predictions")
    assert metrics(page) == {"Newest version": "1", "Rows": "9", "Failed": "0", "Versions": "1"}
    assert len(charts(page)) == 3
    page.multiselect[0].set_value([]).run()
    assert "Select a version." in texts(page)


def test_a_struct_of_predictions_is_shown_field_by_field(opened, tmp_path):
    kind = StructType([StructField("score", DoubleType()), StructField("grade", StringType())])
    tables = WrittenTables(tmp_path, WINE_CONF, prediction=kind)
    tables.append("predictions", *(scored({"score": 1.0, "grade": grade}, at=RECENTLY) for grade in "aab"))
    page = opened(tables, "Predictions")
    assert box(page, "Field of the prediction").options == ["prediction.score", "prediction.grade"]
    assert len(charts(page)) == 3
    box(page, "Field of the prediction").set_value("prediction.grade").run()
    assert not page.exception
    assert len(charts(page)) == 2


def test_the_quarantine_shows_the_lines_under_their_headers(opened, wines):
    page = opened(wines, "Quarantine")
    assert metrics(page) == {"Entries": "3"}
    assert sorted(page.code[0].value.split("\n")) == sorted(
        ["fixed acidity,alcohol", "1,abc", "fixed acidity,pH", "2,"]
    )
    assert list(page.dataframe[0].value["entries"]) == [1, 1, 1]


def test_the_quarantine_is_filtered(opened, wines):
    page = opened(wines, "Quarantine")
    assert box(page, "File").options == ["/inbox/a.csv", "a.csv"]
    box(page, "Reason").set_value("alcohol: '...' is not a double").run()
    assert metrics(page) == {"Entries": "1"}
    assert page.code[0].value == "fixed acidity,alcohol\n1,abc"
    box(page, "Stage").set_value("file").run()
    assert "No entry matches all filters." in texts(page)


def test_batches_and_the_files_of_one(opened, wines):
    page = opened(wines, "Batches")
    page.sidebar.selectbox[0].set_value("all").run()
    batches, files = (shown.value for shown in page.dataframe)
    assert list(batches["batch"]) == ["1", "0"]
    assert list(files["path"]) == ["/inbox/1.csv"]
    box(page, "Batch").set_value(1).run()
    assert list(page.dataframe[1].value["path"]) == ["/inbox/0.csv"]


def test_forecasts_of_the_chosen_cutoff(opened, macro):
    macro.append("forecasts", forecast(145.0, cutoff=3, step=1, model_version="2"))
    macro.append("batches", batch(2, at=RECENTLY, seconds=1, fitted_until=quarter(3)))
    page = opened(macro, "Forecasts")
    assert box(page, "Series").options == ["US"]
    assert box(page, "Cutoff").options == [f"{quarter(3):%Y-%m-%d}", f"{quarter(2):%Y-%m-%d}"]
    assert any("macro-var version 2, made" in text for text in texts(page))
    box(page, "Cutoff").set_value(f"{quarter(2):%Y-%m-%d}").run()
    assert any("macro-var version 1, made" in text for text in texts(page))
    assert len(charts(page)) == 1
    # For quarter 3, 131 was forecast, and 130 it was.
    [accuracy] = [shown.value for shown in page.dataframe]
    assert [tuple(row) for row in accuracy.itertuples(index=False)] == [("1", "realgdp", "in sample", 1, 1.0, 100.0)]


def test_a_series_without_forecasts_says_why(opened, macro):
    macro.append("observations", observed(1.0, at=0, series="FR", error="warming_up"))
    page = opened(macro, "Forecasts")
    page.text_input[0].set_value("F").run()
    assert box(page, "Series").options == ["FR"]
    assert "Series FR has no forecast yet. Its last observation says: warming_up." in texts(page)
    page.text_input[0].set_value("X").run()
    assert "No series begins with 'X'." in texts(page)


def test_a_variable_that_was_never_forecast_is_no_trouble(opened, macro):
    page = opened(macro, "Forecasts")
    box(page, "Variable").set_value("realinv").run()
    assert not page.exception
    assert "There is no forecast of realinv from this cutoff." in texts(page)


@pytest.mark.parametrize("view", ["Health", "Predictions", "Quarantine", "Batches"])
def test_no_view_of_rows_stumbles_over_missing_or_empty_tables(opened, tmp_path, view):
    tables = WrittenTables(tmp_path, WINE_CONF)
    assert "There is no table" in opened(tables, view).info[0].value
    tables.make_empty("batches", "predictions", "quarantine")
    page = opened(tables, view)
    assert len(page.info) == 1
    assert not page.error
    assert "There is no table" not in page.info[0].value


def test_no_view_of_series_stumbles_over_missing_or_empty_tables(opened, tmp_path):
    tables = WrittenTables(tmp_path, MACRO_CONF)
    assert "There is no table `forecasts`" in opened(tables, "Forecasts").info[0].value
    tables.make_empty("forecasts", "observations", "batches")
    assert "There are no observations yet." in texts(opened(tables, "Forecasts"))


def test_a_table_that_cannot_be_read_is_a_sentence(opened, wines):
    for log in (wines.root / "tables" / "batches" / "_delta_log").glob("*.json"):
        log.write_text("{ this is no log")
    page = opened(wines)
    assert "can't be read" in page.error[0].value


def test_a_config_that_cannot_be_used_is_a_sentence(opened, wines):
    page = opened(wines, None, "--set", "tabels.root=/nowhere")
    assert "did you mean 'tables'" in page.error[0].value


def test_overrides_reach_the_page(opened, wines, tmp_path):
    page = opened(wines, None, "--set", f"tables.root={tmp_path}/elsewhere")
    assert f"{tmp_path}/elsewhere/batches" in page.info[0].value
