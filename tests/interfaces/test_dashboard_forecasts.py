import pandas as pd
import pytest
from dashboard_tables import MACRO_CONF, START, WrittenTables, batch, forecast, minutes, observed, quarter

from penstock.interfaces.dashboard.fan import bands_of, fan_chart
from penstock.interfaces.dashboard.queries import forecasts
from penstock.schemas.macro import VARIABLES


@pytest.fixture
def tables(tmp_path):
    """Quarters 0 to 4 of US, and the forecasts of two steps made at 2 and 3; another series in files before these."""
    made = WrittenTables(tmp_path, MACRO_CONF)
    made.make_empty("batches")
    made.append("observations", *(observed(1.0, at=number, series="DE") for number in range(3)))
    made.append("forecasts", forecast(1.0, cutoff=2, step=1, series="DE"))
    made.append("observations", *(observed(100.0 + 10 * number, at=number) for number in range(5)))
    made.append(
        "forecasts",
        *(forecast(value, cutoff=2, step=step) for step, value in ((1, 131.0), (2, 150.0))),
        *(forecast(value, cutoff=3, step=step) for step, value in ((1, 143.0), (2, 155.0))),
        forecast(12.0, cutoff=2, step=1, variable="realcons", lower=0.0, upper=12.5),
    )
    return made


def made_at(tables, number, *, series="US"):
    return tables.query(forecasts.made_at, series_id=series, cutoff=quarter(number))


def test_series_are_found_by_how_they_begin(tables):
    tables.append("observations", *(observed(1.0, at=0, series=name) for name in ("USA", "U%", "UTAH")))
    like = {
        beginning: tables.query(forecasts.series_like, beginning=beginning, limit=9) for beginning in ("", "US", "U%")
    }
    assert like == {"": ["DE", "U%", "US", "USA", "UTAH"], "US": ["US", "USA"], "U%": ["U%"]}
    assert tables.query(forecasts.series_like, beginning="", limit=1) == ["DE"]
    assert tables.query(forecasts.series_like, beginning="X", limit=9) == []


def test_cutoffs_are_the_series_own_and_the_newest_comes_first(tables):
    assert tables.query(forecasts.cutoffs, series_id="US", limit=9) == [quarter(3), quarter(2)]
    assert tables.query(forecasts.cutoffs, series_id="US", limit=1) == [quarter(3)]
    assert tables.query(forecasts.cutoffs, series_id="DE", limit=9) == [quarter(2)]


def test_a_cutoff_may_have_forecasts_of_more_than_one_version_and_the_champions_comes_first(tables):
    later = {"model_version": "2", "role": "shadow", "scored_at": minutes(50)}
    tables.append("forecasts", forecast(1.0, cutoff=2, step=1, **later))
    champion, shadow = made_at(tables, 2)
    assert (champion.version, champion.level, champion.scored_at) == ("1", 0.95, minutes(2))
    assert shadow.version == "2 (shadow)"
    fan = tables.query(forecasts.fan, shadow, variable="realgdp")
    assert list(fan["forecast"]) == [1.0]


def test_a_fallback_that_is_newer_stands_before_the_forecast_that_it_took_the_place_of(tables):
    tables.append("forecasts", forecast(1.0, cutoff=2, step=1, role="fallback", scored_at=minutes(60)))
    tables.append("forecasts", forecast(2.0, cutoff=2, step=1, role="shadow", scored_at=minutes(70)))
    assert [made.version for made in made_at(tables, 2)] == ["1 (fallback)", "1", "1 (shadow)"]


def test_a_canarys_forecast_stands_in_the_champions_place(tables):
    """What it made later for a cutoff that the champion had forecast is one more vintage, of an unknown fit."""
    for role, error in (("candidate", 60.0), ("candidate_fallback", 70.0)):
        again = {"model_version": "2", "role": role, "scored_at": minutes(60 + error)}
        tables.append("forecasts", forecast(130.0 + error, cutoff=2, step=1, **again))
    tables.append("forecasts", forecast(141.0, cutoff=3, step=1, role="shadow", scored_at=minutes(60)))
    own = {"model_version": "2", "role": "candidate", "query_id": "q", "batch_id": 1}
    tables.append("forecasts", forecast(107.0, cutoff=0, step=1, **own))
    tables.append("batches", batch(1, at=START, seconds=1, fitted_until=quarter(1)))
    assert [made.version for made in made_at(tables, 2)] == ["2 (candidate_fallback)", "2 (candidate)", "1"]
    found = tables.query(forecasts.accuracy, series_id="US", variables=["realgdp"])
    # Of cutoff 2 the errors are those of the champion, which came first: 1 and 10; of cutoff 3 there is 3.
    by_version = {row.version: row for row in found.itertuples()}
    assert (by_version["1"].forecasts, by_version["1"].mean_absolute_error) == (3, pytest.approx((1 + 10 + 3) / 3))
    # The truth at quarter 1 is 110.
    assert (by_version["2 (candidate)"].forecasts, by_version["2 (candidate)"].mean_absolute_error) == (1, 3.0)
    assert pd.isna(by_version["2 (candidate)"].in_sample)
    assert "2 (candidate_fallback)" not in by_version


def test_a_rescored_forecast_stands_before_that_of_a_shadow(tables):
    tables.append("forecasts", forecast(1.0, cutoff=2, step=1, role="rescored", scored_at=minutes(60)))
    tables.append("forecasts", forecast(2.0, cutoff=2, step=1, role="shadow", scored_at=minutes(70)))
    assert [made.version for made in made_at(tables, 2)] == ["1 (rescored)", "1", "1 (shadow)"]


def test_a_series_of_conflicts_says_so(tables):
    tables.append("observations", *(observed(value, at=0, series="AT", error="conflict") for value in (1.0, 2.0)))
    assert tables.query(forecasts.last_error, series_id="AT") == "conflict"


def test_a_fan_is_one_forecast_of_one_variable_by_step(tables):
    [made] = made_at(tables, 2)
    fan = tables.query(forecasts.fan, made, variable="realgdp")
    assert [(*row[:3], list(row.intervals)) for row in fan.itertuples(index=False)] == [
        (1, quarter(3), 131.0, [{"level": 0.95, "lower": 126.0, "upper": 136.0}]),
        (2, quarter(4), 150.0, [{"level": 0.95, "lower": 145.0, "upper": 155.0}]),
    ]


def test_a_fan_has_a_band_for_each_level_which_opens_at_the_last_observation(tables):
    several = [{"level": level, "lower": 150 - half, "upper": 150 + half} for level, half in ((0.5, 2.0), (0.995, 9.0))]
    tables.append("forecasts", forecast(150.0, cutoff=4, step=1, level=0.995, intervals=several))
    [made] = made_at(tables, 4)
    fan = tables.query(forecasts.fan, made, variable="realgdp")
    known = pd.DataFrame({"ds": [quarter(3), quarter(4)], "value": [130.0, 140.0]})
    bands = bands_of(fan, known.tail(1))
    assert [tuple(row) for row in bands[["level", "ds", "lower", "upper"]].itertuples(index=False)] == [
        ("99.5%", quarter(4), 140.0, 140.0),
        ("99.5%", quarter(5), 141.0, 159.0),
        ("50%", quarter(4), 140.0, 140.0),
        ("50%", quarter(5), 148.0, 152.0),
    ]
    band, _, line, _ = fan_chart(fan, known, made.cutoff, "realgdp").to_dict()["layer"]
    scale = band["encoding"]["opacity"]["scale"]
    assert scale["domain"] == ["50%", "99.5%"]
    assert scale["range"][0] > scale["range"][1] > 0
    assert [tip["title"] for tip in line["encoding"]["tooltip"][2:]] == ["50% interval", "99.5% interval"]
    [single] = made_at(tables, 3)
    one = fan_chart(tables.query(forecasts.fan, single, variable="realgdp"), known, single.cutoff, "realgdp").to_dict()
    assert "scale" not in one["layer"][0]["encoding"]["opacity"]


def test_a_forecast_made_again_after_a_revision_stands_before_the_first_one(tables):
    tables.append("forecasts", forecast(129.0, cutoff=2, step=1, scored_at=minutes(60)))
    newest, first = made_at(tables, 2)
    assert (newest.version, newest.scored_at, first.scored_at) == ("1", minutes(60), minutes(2))
    fans = [tables.query(forecasts.fan, made, variable="realgdp") for made in (newest, first)]
    assert [list(fan["forecast"]) for fan in fans] == [[129.0], [131.0, 150.0]]


def test_a_revised_value_is_the_truth_and_the_first_forecast_is_compared_with_it(tables):
    tables.append("forecasts", forecast(129.0, cutoff=2, step=1, scored_at=minutes(60)))
    tables.append("observations", observed(133.0, at=3, error="revised", observed_at=minutes(60)))
    tables.append("observations", observed(999.0, at=3, error="unchanged", observed_at=minutes(70)))
    assert dict(truths(tables))[quarter(3)] == 133.0
    found = tables.query(forecasts.accuracy, series_id="US", variables=VARIABLES)
    [realgdp] = [row for row in found.itertuples() if row.variable == "realgdp"]
    assert (realgdp.forecasts, realgdp.mean_absolute_error) == (3, pytest.approx((2 + 10 + 3) / 3))
    tables.append("observations", observed(None, at=3, error="revised", observed_at=minutes(80)))
    withdrawn = dict(truths(tables))[quarter(3)]
    assert withdrawn != withdrawn
    assert len(tables.query(forecasts.accuracy, series_id="US", variables=["realgdp"])) == 1


def truths(tables, *, end=4, before=9, variable="realgdp"):
    found = tables.query(
        forecasts.truths, series_id="US", variable=variable, cutoff=quarter(2), end=quarter(end), before=before
    )
    return [tuple(row) for row in found.itertuples(index=False)]


def test_truths_are_so_many_up_to_the_cutoff_and_all_after_it_until_the_end(tables):
    assert truths(tables, before=2) == [
        (quarter(1), 110.0),
        (quarter(2), 120.0),
        (quarter(3), 130.0),
        (quarter(4), 140.0),
    ]
    assert truths(tables, end=3, before=1, variable="realcons") == [(quarter(2), 12.0), (quarter(3), 13.0)]


def test_a_truth_is_what_forecasts_are_made_from(tables):
    before = truths(tables)
    assert [time for time, _ in before] == [quarter(number) for number in range(5)]
    tables.append(
        "observations",
        observed(999.0, at=3, error="revision"),
        observed(999.0, at=4, error="superseded"),
        observed(999.0, at=5, error="conflict"),
        observed(999.0, at=-1, error="late"),
    )
    assert truths(tables) == before
    tables.append("observations", observed(90.0, at=-1, error="warming_up"))
    assert truths(tables)[0] == (quarter(-1), 90.0)


def test_accuracy_compares_all_forecasts_whose_time_has_come(tables):
    found = tables.query(forecasts.accuracy, series_id="US", variables=VARIABLES)
    by_variable = {row.variable: row for row in found.itertuples()}
    # realgdp: 131 and 150 from quarter 2, 143 for quarter 4 from 3; the truths are 130, 140, 140; give or take 5.
    assert by_variable["realgdp"].forecasts == 3
    assert by_variable["realgdp"].mean_absolute_error == pytest.approx((1 + 10 + 3) / 3)
    assert by_variable["realgdp"].within == pytest.approx(2 / 3)
    # realcons: 12 from 0 to 12.5; the truth is 13.
    assert (by_variable["realcons"].mean_absolute_error, by_variable["realcons"].within) == (1.0, 0.0)
    assert set(by_variable) == {"realgdp", "realcons"}


def test_accuracy_from_cutoffs_that_the_fit_knew_what_came_after_stands_by_itself(tables):
    """From quarter 2 the errors are 1 and 10, from 3 it is 3. Of what came after 3 the fit knew nothing."""
    for number, until in ((2, quarter(3)), (3, quarter(3))):
        tables.append("batches", batch(number, at=START, seconds=1, fitted_until=until))
    found = tables.query(forecasts.accuracy, series_id="US", variables=["realgdp"])
    assert [(row.in_sample, row.forecasts, row.mean_absolute_error) for row in found.itertuples()] == [
        (False, 1, 3.0),
        (True, 2, 5.5),
    ]


def test_a_series_last_observation_says_why_it_has_no_forecast(tables):
    tables.append("observations", observed(None, at=5, error="gap"))
    assert tables.query(forecasts.last_error, series_id="US") == "gap"
    assert tables.query(forecasts.last_error, series_id="DE") is None
    assert tables.query(forecasts.last_error, series_id="FR") is None


def test_files_of_other_series_are_not_read(tables):
    for name in ("forecasts", "observations"):
        tables.lose_oldest_file(name)
    assert tables.query(forecasts.series_like, beginning="US", limit=9) == ["US"]
    assert len(tables.query(forecasts.cutoffs, series_id="US", limit=9)) == 2
    [made] = made_at(tables, 2)
    assert len(tables.query(forecasts.fan, made, variable="realgdp")) == 2
    assert len(truths(tables)) == 5
    assert len(tables.query(forecasts.accuracy, series_id="US", variables=VARIABLES)) == 2
