"""`fit.fallback` with what it needs of the rest of a config."""

import pytest
from batch_records import series_config

from penstock.config.pipeline import PipelineConfig
from penstock.config.series import FitConfig
from penstock.errors import FitError
from penstock.models.training.var_settings import bucket_settings


def config(keep_lags: int, **fit: object) -> PipelineConfig:
    given = series_config().model_dump()
    given["series"]["keep_lags"] = keep_lags
    return PipelineConfig.model_validate({**given, "fit": fit})


def test_a_season_must_be_kept_for_its_fallback() -> None:
    fit = bucket_settings(config(12, fallback="seasonal_naive", season=12), ids_are_integers=False).fit
    assert (fit.fallback, fit.season) == ("seasonal_naive", 12.0)
    expected = r"series.keep_lags is 11, and fit.fallback seasonal_naive repeats the last 12 .*; set keep_lags to at"
    with pytest.raises(ValueError, match=expected):
        config(11, fallback="seasonal_naive", season=12)
    assert config(11, fallback="naive", season=12).fit.season == 12


@pytest.mark.parametrize("season", [{}, {"season": 365.25, "fourier": 2}])
def test_the_seasonal_fallback_needs_a_season_of_whole_periods(season: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"fallback seasonal_naive with .*: set season to a whole number of periods"):
        FitConfig(fallback="seasonal_naive", **season)
    # A copy is not checked, but the settings of a fit are.
    changed = config(400).model_copy(
        update={"fit": FitConfig(**season).model_copy(update={"fallback": "seasonal_naive"})}
    )
    with pytest.raises(FitError, match="series, fit: fallback seasonal_naive with"):
        bucket_settings(changed, ids_are_integers=False)
