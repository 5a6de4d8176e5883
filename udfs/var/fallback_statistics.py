"""What a fit keeps of its series for forecasts by a fallback."""

from __future__ import annotations

from dataclasses import replace

from .fleet_fit import FleetFit
from .kernel import FloatArray
from .pooled_fit import pooled_sums
from .runs import Runs
from .spreads import change_spreads, seasonal_spreads


def with_fallback(fit: FleetFit, levels: FloatArray, runs: Runs) -> FleetFit:
    """The fit with what its fallback needs of all series that were given, refused ones included. levels: (n_total,
    k)."""
    settings = fit.settings
    if settings.fallback == "none":
        return fit
    fit = replace(fit, change_spreads=change_spreads(levels, runs, settings.transforms))
    if settings.fallback == "seasonal_naive":
        season = int(settings.season)
        fit = replace(fit, seasonal_spreads=seasonal_spreads(levels, runs, settings.transforms, season=season))
    if settings.fallback == "pooled":
        sums = pooled_sums(levels, runs, fit.change_spreads, settings)
        fit = replace(fit, pooled_products=sums.products, pooled_rows=sums.rows)
    return fit
