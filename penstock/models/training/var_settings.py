"""The settings of a fit, from a pipeline's config; without Spark."""

from penstock.config.pipeline import PipelineConfig
from penstock.errors import ConfigError, FitError
from penstock.udfs.var.bucket import BucketSettings
from penstock.udfs.var.fleet_fit import FitSettings


def bucket_settings(config: PipelineConfig, *, ids_are_integers: bool) -> BucketSettings:
    """Without holidays. Raises FitError for settings that can't be fitted."""
    series = config.the_series
    try:
        fit = FitSettings(
            transforms=series.transforms,
            max_lags=config.fit.max_lags,
            criterion=config.fit.criterion,
            trend=config.fit.trend,
            horizon=series.horizon,
            level=series.level,
            variables=series.variables,
            point=series.point,
        )
    except ValueError as error:
        raise FitError(f"series, fit: {error}") from None
    return BucketSettings(
        fit=fit,
        frequency=series.frequency,
        holdout=config.fit.holdout,
        ids_are_integers=ids_are_integers,
    )


def check_workload(config: PipelineConfig, *, job: str) -> PipelineConfig:
    """The config, if it is of series. Raises ConfigError."""
    if config.workload != "series":
        raise ConfigError(f"workload: {config.pipeline} is a pipeline of {config.workload}; {job} is for series")
    return config
