"""The season that `penstock init` suggests in a config."""

import pytest

from penstock.interfaces.scaffold.config import SeriesSettings, season_lines
from penstock.interfaces.scaffold.season import usual_season


@pytest.mark.parametrize(
    ("frequency", "periods", "name"),
    [
        ("MS", 12, "year"),
        ("BME", 12, "year"),
        ("MS-15", 12, "year"),
        ("QS-FEB", 4, "year"),
        ("2QS", 2, "year"),
        ("D", 7, "week"),
        ("h", 24, "day"),
        ("6h", 4, "day"),
    ],
)
def test_what_is_usual(frequency, periods, name):
    found = usual_season(frequency)
    assert (found.periods, found.name) == (periods, name)


@pytest.mark.parametrize("frequency", ["YS", "5MS", "B", "W-SUN", "2D", "5h", "15min", "s"])
def test_where_nothing_is_usual(frequency):
    assert usual_season(frequency) is None


@pytest.mark.parametrize(("periods", "said"), [(78, []), (79, ["12"])])
def test_it_is_suggested_where_the_longest_series_bears_it(periods, said):
    """A constant, 11 dummies and a lag of 3 variables are 15 coefficients: 70 rows and one more, and 8 held out."""
    settings = SeriesSettings(id="id", time="t", variables=("a", "b", "c"), frequency="MS", periods=periods)
    lines = season_lines(settings)
    assert lines == [
        f"# if a year has a pattern, add season: {number} to fit, and compare (docs/fitting.md)" for number in said
    ]
