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
            level=series.main_level,
            variables=series.variables,
            point=series.point,
            season=config.fit.season or 0.0,
            fourier=config.fit.fourier or 0,
            intervals=config.fit.intervals,
            fallback=config.fit.fallback,
            prior=config.fit.prior,
            tightness=config.fit.tightness,
            decay=config.fit.decay,
            exogenous=series.exogenous_names,
        )
    except ValueError as error:
        raise FitError(f"series, fit: {error}") from None
    return BucketSettings(
        fit=fit,
        frequency=series.frequency,
        holdout=config.fit.holdout,
        ids_are_integers=ids_are_integers,
        origins=config.fit.origins,
        origin_every=config.fit.origin_every,
    )


def check_workload(config: PipelineConfig, *, job: str) -> PipelineConfig:
    """The config, if it is of series. Raises ConfigError."""
    if config.workload != "series":
        raise ConfigError(f"workload: {config.pipeline} is a pipeline of {config.workload}; {job} is for series")
    return config
