"""Checks a fleet model against the config: outputs, level, calendar, and the volume of forecasts."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from penstock.config.pipeline import PipelineConfig
from penstock.config.series import SeriesConfig
from penstock.udfs.scoring.outputs import ModelColumn
from penstock.udfs.var.fleet_forecast import BOUNDS, output_name
from penstock.udfs.var.fleet_save import FITTED_UNTIL, FLEET_METADATA, REFUSED_REASONS

#: Above this number of series, `forecast.at: every` needs `forecast.every_of_many`.
MANY_SERIES = 10_000


def fleet_incompatibility(
    outputs: Sequence[ModelColumn], metadata: Mapping[str, Any], config: PipelineConfig
) -> str | None:
    """Why a model can't serve this config; None if it can. outputs: of its signature; metadata: of its MLmodel."""
    return missing_outputs(outputs, config) or other_meaning(metadata, config) or too_many(metadata, config)


def missing_outputs(outputs: Sequence[ModelColumn], config: PipelineConfig) -> str | None:
    series = config.the_series
    names = {column.name for column in outputs}
    wanted = ["lag_order", "needed", *[output_name(v, b, series.horizon) for v in series.variables for b in BOUNDS]]
    missing = [name for name in wanted if name not in names]
    if not missing:
        return missing_levels(names, series)
    return (
        f"its outputs lack {', '.join(missing[:3])}{' ...' if len(missing) > 3 else ''}: series.horizon is "
        f"{series.horizon}, variables {', '.join(series.variables)}; fit a model for these, or change the config"
    )


def missing_levels(names: Collection[str], series: SeriesConfig) -> str | None:
    """Why it does not have all levels. names: of its outputs."""
    lacking = [
        level
        for level in series.levels[:-1]
        if any(
            output_name(v, b, series.horizon, level=level) not in names for v in series.variables for b in BOUNDS[1:]
        )
    ]
    if not lacking:
        return None
    return (
        f"it has no intervals of level {', '.join(map(str, lacking))}: series.level is {list(series.levels)}; fit it "
        "again for these, or change the config"
    )


def other_meaning(metadata: Mapping[str, Any], config: PipelineConfig) -> str | None:
    """Why level, frequency, kind of points or exogenous variables of the fit do not match. Models without this metadata
    pass."""
    fleet, series = metadata.get(FLEET_METADATA), config.the_series
    if fleet is None:
        return None
    fleet = {"point": "median", **fleet}  # fleets of earlier versions do not say it
    for key, wanted in (("level", series.main_level), ("frequency", series.frequency), ("point", series.point)):
        if fleet.get(key, wanted) != wanted:
            many = ", the largest" if key == "level" and len(series.levels) > 1 else ""
            return (
                f"it was fitted with {key} {fleet[key]}, series.{key} is {wanted}{many}; fit it again, or change the "
                "config"
            )
    exogenous = tuple(fleet.get("exogenous", ()))  # fleets without any do not say it
    if exogenous != series.exogenous_names:
        return (
            f"it was fitted with the exogenous variables {', '.join(exogenous) or '(none)'}, series.exogenous has "
            f"{', '.join(series.exogenous_names) or '(none)'}; fit it again, or change the config"
        )
    if exogenous and fleet.get("horizon", series.horizon) != series.horizon:
        return (
            f"it needs the exogenous variables of {fleet['horizon']} steps, series.horizon is {series.horizon}; fit it "
            "again, or change the config"
        )
    holidays = series.calendar.holidays if "holidays" in fleet else ()
    if "holidays" in fleet and tuple(fleet["holidays"]) != holidays:
        return (
            f"it was fitted with a trend in time or a season, and {len(fleet['holidays']):,} holidays, not those of "
            f"series.holidays ({len(holidays):,}), so that it counts other days; fit it again"
        )
    return None


def refused_reasons(metadata: Mapping[str, Any]) -> tuple[str, ...]:
    """Why the model's fit refused series, in the order by which its lag_order names them; empty for models of earlier
    versions, which know no refused series."""
    return tuple(metadata.get(FLEET_METADATA, {}).get(REFUSED_REASONS, ()))


def fitted_until(metadata: Mapping[str, Any]) -> datetime | None:
    """The newest time of the observations that a model's series were fitted on; None if it does not say it."""
    written = metadata.get(FLEET_METADATA, {}).get(FITTED_UNTIL)
    return datetime.fromisoformat(written) if written else None


def too_many(metadata: Mapping[str, Any], config: PipelineConfig) -> str | None:
    n_series = metadata.get(FLEET_METADATA, {}).get("series", 0)
    if n_series <= MANY_SERIES or config.forecast.at == "latest" or config.forecast.every_of_many:
        return None
    return (
        f"it has {n_series:,} series, and forecast.at is every: {volume(metadata, config)}. Set forecast.at to latest "
        "for one forecast a series and micro-batch, or forecast.every_of_many to true if you want them all"
    )


def volume(metadata: Mapping[str, Any], config: PipelineConfig) -> str:
    """The number of rows in `forecasts` for one new observation of every series, as a sentence."""
    series = config.the_series
    n_series = metadata.get(FLEET_METADATA, {}).get("series", 1)
    n_rows = n_series * series.horizon * len(series.variables)
    return f"one new observation of each makes {n_rows:,} rows in forecasts"
