"""One or several levels of the intervals in a config, and whether a model has them."""

import pytest
from batch_records import series_config

from penstock.config.pipeline import PipelineConfig
from penstock.config.series import FitConfig, SeriesConfig
from penstock.models.fleet_check import fleet_incompatibility
from penstock.models.training.var_settings import bucket_settings
from penstock.udfs.scoring.outputs import ModelColumn
from penstock.udfs.var.fleet_fit import FitSettings
from penstock.udfs.var.fleet_forecast import forecast_columns_of
from penstock.udfs.var.fleet_save import FLEET_METADATA, fleet_signature
from penstock.udfs.var.fleet_store import FleetAbout


def series(level: object) -> SeriesConfig:
    return SeriesConfig.model_validate({"variables": ["realgdp"], "frequency": "QS", "level": level})


def test_the_largest_level_is_the_main_one() -> None:
    several = series([0.8, 0.95, 0.5])
    assert several.levels == (0.5, 0.8, 0.95)
    assert several.main_level == 0.95
    assert (series(0.9).levels, series(0.9).main_level) == ((0.9,), 0.9)


def test_a_single_level_means_what_it_meant() -> None:
    """The hash of a config is made of this JSON."""
    assert series(0.95).meaning["level"] == 0.95
    assert series([0.95]).meaning == series(0.95).meaning
    assert series([0.5, 0.95]).meaning == series(0.95).meaning | {"level": [0.5, 0.95]}
    assert series([0.95, 0.5]).meaning == series([0.5, 0.95]).meaning


@pytest.mark.parametrize(
    ("level", "said"),
    [
        (1.0, "1.0 is no coverage between 0 and 1"),
        (0, "is no coverage between 0 and 1"),
        ([0.5, 95], "is no coverage between 0 and 1"),
        ([], "is no coverage between 0 and 1"),
        ([0.5, 0.5], "are not different from one another"),
    ],
)
def test_what_is_no_level(level: object, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        series(level)


def config(level: object) -> PipelineConfig:
    made = series_config()
    return made.model_copy(update={"series": made.the_series.model_copy(update={"level": series(level).level})})


def refusal(level: object, *, made: tuple[float, ...] = (0.5, 0.8)) -> str | None:
    """Of a model of main level 0.95 with `made` as further ones."""
    about = FleetAbout(
        variables=("realgdp",),
        transforms=("none",),
        trend="c",
        frequency="QS",
        horizon=8,
        level=0.95,
        max_lag_order=1,
        ids_are_strings=True,
        anchor="1970-01-01",
        levels=made,
    )
    outputs = [ModelColumn(name=column.name, type=column.type) for column in fleet_signature(about).outputs]
    assert len(outputs) == 2 + len(forecast_columns_of(about))
    return fleet_incompatibility(outputs, {FLEET_METADATA: {"level": 0.95, "frequency": "QS"}}, config(level))


def test_a_model_with_all_levels_serves() -> None:
    assert refusal([0.5, 0.8, 0.95]) is None


def test_a_model_may_have_more_levels_than_the_config() -> None:
    assert refusal([0.8, 0.95]) is None
    assert refusal(0.95) is None


def test_a_model_without_a_level_is_refused_and_said_what_to_do() -> None:
    assert refusal([0.5, 0.8, 0.95], made=(0.8,)) == (
        "it has no intervals of level 0.5: series.level is [0.5, 0.8, 0.95]; fit it again for these, or change the "
        "config"
    )
    assert refusal([0.5, 0.8]) == (
        "it was fitted with level 0.95, series.level is 0.8, the largest; fit it again, or change the config"
    )


def test_settings_of_a_fit_take_the_main_level_and_the_kind_of_intervals() -> None:
    several = config([0.5, 0.8])
    fit = bucket_settings(several, ids_are_integers=False).fit
    assert (fit.level, fit.intervals) == (0.8, "plain")
    asymptotic = several.model_copy(update={"fit": FitConfig(intervals="asymptotic")})
    assert bucket_settings(asymptotic, ids_are_integers=False).fit.intervals == "asymptotic"
    assert asymptotic.meaning_hash == several.meaning_hash


def test_asymptotic_intervals_with_a_season_are_taken_and_with_a_prior_refused() -> None:
    assert FitConfig(intervals="asymptotic", season=12).intervals == "asymptotic"
    assert FitSettings(transforms=("none",), max_lags=1, intervals="asymptotic", season=12).season == 12
    with pytest.raises(ValueError, match="intervals asymptotic are of least squares, not of a prior"):
        FitConfig(intervals="asymptotic", season=12, prior="minnesota", criterion=None)
