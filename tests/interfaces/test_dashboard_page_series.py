"""The real page of a pipeline of series: observations that have no forecast, and what its points are."""

from datetime import UTC, datetime, timedelta

import pytest
from dashboard_tables import MACRO_CONF, WrittenTables, batch, forecast, observed
from streamlit.testing.v1 import AppTest

from penstock.interfaces.dashboard.forecasts import point_text
from penstock.interfaces.dashboard.launching import PAGE

RECENTLY = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=10)
IN_LOGS = MACRO_CONF.replace("horizon: 2", "horizon: 2, transform: {{realgdp: dlog}}")


@pytest.fixture
def macro(tmp_path):
    """Of 8 accepted observations 5 have a forecast."""
    made = WrittenTables(tmp_path, IN_LOGS)
    reasons = [("gap", 1), ("model", 1), ("warming_up", 1)]
    counted = {"without_forecast": reasons, "series": 4, "series_without_forecast": 1}
    made.append("batches", batch(0, at=RECENTLY, seconds=1, **counted))
    made.append("observations", *(observed(100.0 + 10 * number, at=number) for number in range(4)))
    made.append("forecasts", *(forecast(130.0 + step, cutoff=2, step=step) for step in (1, 2)))
    return made


@pytest.fixture
def opened(macro, monkeypatch):
    def open_view(view):
        monkeypatch.setattr("sys.argv", [str(PAGE), "--conf", str(macro.conf)])
        page = AppTest.from_file(str(PAGE), default_timeout=300).run()
        page.sidebar.radio[0].set_value(view).run()
        assert not page.exception
        return page

    return open_view


def test_health_counts_forecasts_and_not_scored_rows(opened):
    page = opened("Health")
    shown = {metric.label: metric.value for metric in page.metric}
    assert "Scored" not in shown
    assert (shown["With a forecast"], shown["Failed"], shown["Quarantined"]) == ("5", "1", "2")
    [outcomes] = [table.value for table in page.dataframe]
    assert [tuple(row) for row in outcomes.itertuples(index=False)] == [
        ("forecast", 5),
        ("gap", 1),
        ("model", 1),
        ("warming_up", 1),
    ]
    captions = [caption.value for caption in page.caption]
    assert any("4 in the last batch, 1 of them without any forecast in it" in text for text in captions)


def test_batches_say_how_many_have_a_forecast_and_why_others_have_none(opened):
    batches = opened("Batches").dataframe[0].value
    assert batches["with_forecast"].tolist() == [5]
    assert batches["without_forecast"].tolist() == ["1 gap, 1 model, 1 warming_up"]


def test_a_fan_in_logs_says_that_its_line_is_a_median(opened):
    captions = [caption.value for caption in opened("Forecasts").caption]
    assert any("The line is the median of what may come" in text for text in captions)


def test_of_other_variables_and_of_means_it_says_so(macro):
    series = macro.config.the_series
    assert point_text(series, "realcons") == ""
    means = series.model_copy(update={"point": "mean"})
    assert "is the mean of what may come" in point_text(means, "realgdp")
