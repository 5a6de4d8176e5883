"""The real page of a pipeline of series: observations that have no forecast, and what its points are."""

import re
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl

import numpy as np
import pytest
from dashboard_tables import MACRO_CONF, WrittenTables, batch, forecast, observed
from fit_sandbox import macro_frame
from statsmodels.tsa.api import VAR
from streamlit.testing.v1 import AppTest

from penstock.interfaces.dashboard.forecasts import link_to_model, point_text
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
    assert any("4 in the last batch, 1 of them without a forecast of a VAR in it" in text for text in captions)


def test_batches_say_how_many_have_a_forecast_and_why_others_have_none(opened):
    batches = opened("Batches").dataframe[0].value
    assert batches["with_forecast"].tolist() == [5]
    assert batches["without_forecast"].tolist() == ["1 gap, 1 model, 1 warming_up"]


def test_a_fan_in_logs_says_that_its_line_is_a_median(opened):
    captions = [caption.value for caption in opened("Forecasts").caption]
    assert any("The line is the median of what may come" in text for text in captions)


def test_a_fan_of_several_levels_names_them(macro, opened):
    several = [{"level": 0.5, "lower": 130.0, "upper": 134.0}, {"level": 0.95, "lower": 120.0, "upper": 144.0}]
    macro.append("forecasts", forecast(132.0, cutoff=3, step=1, intervals=several))
    captions = [caption.value for caption in opened("Forecasts").caption]
    assert any("The bands are the 50% and 95% forecast intervals" in text for text in captions)


def test_of_other_variables_and_of_means_it_says_so(macro):
    series = macro.config.the_series
    assert point_text(series, "realcons") == ""
    means = series.model_copy(update={"point": "mean"})
    assert "is the mean of what may come" in point_text(means, "realgdp")


@pytest.fixture
def usa(macro):
    made = WrittenTables(macro.root / "usa", IN_LOGS.replace("schemas.wine", "schemas.macro"))
    made.root.mkdir()
    columns = ("realgdp", "realcons", "realinv")
    rows = macro_frame().to_dict("records")
    made.append(
        "observations",
        *({"series_id": "usa", "ds": row["ds"].to_pydatetime().replace(tzinfo=UTC), "observed_at": RECENTLY,
           **{name: row[name] for name in columns}} for row in rows),
    )  # fmt: skip
    return made


def test_the_model_of_a_series_is_fitted_when_it_is_asked_for(usa, monkeypatch):
    """By the link that the forecasts have."""
    monkeypatch.setattr("sys.argv", [str(PAGE), "--conf", str(usa.conf)])
    page = AppTest.from_file(str(PAGE), default_timeout=300)
    link = re.fullmatch(r"\[.*\]\(\?(.*)\)", link_to_model("usa"))
    page.query_params.update(dict(parse_qsl(link[1])))
    page.run()
    assert not page.exception
    [facts] = [code.value for code in page.code]
    assert facts.startswith("Series usa of macro")
    levels = macro_frame()[["realgdp", "realcons", "realinv"]].assign(realgdp=lambda frame: np.log(frame["realgdp"]))
    values = levels.assign(realgdp=levels["realgdp"].diff())[1:].reset_index(drop=True)
    order = VAR(values).select_order(8).aic
    assert f"VAR({order})" in facts
    titles = [title.value for title in page.subheader]
    assert "Granger causality" in titles
    tables = {title: table.value for title, table in zip(titles, page.dataframe, strict=True)}
    theirs = VAR(values).fit(order)
    found = tables["Coefficients"].pivot(index="regressor", columns="equation", values="standard_error")
    np.testing.assert_allclose(found.loc[theirs.stderr.index, theirs.stderr.columns], theirs.stderr, rtol=1e-6)
    assert tables["Forecast error variance decomposition"]["step"].tolist() == [1, 2]
