"""The accuracy of a fit before it is promoted: metrics, tables and log lines of the hold-out and of rolling origins."""

import logging
from pathlib import Path

import numpy as np
import pandas as pd

from penstock.config.pipeline import PipelineConfig
from penstock.models.training.var_fit import FittedFleet
from penstock.udfs.var.accuracy import MEASURES, STEP_MEASURES
from penstock.udfs.var.kernel import FloatArray, IntArray
from penstock.udfs.var.origins import methods

log = logging.getLogger(__name__)


def accuracy_metrics(fleet: FittedFleet, config: PipelineConfig) -> dict[str, float]:
    """`holdout_<measure>_<variable>` of the model, `holdout_naive_<measure>_<variable>` and, with a season,
    `holdout_seasonal_naive_<measure>_<variable>`, of the last origin; with more than one origin the same beginning with
    `origins_`, of all of them and all steps. A method without any series has none."""
    if not fleet.scored:
        return {}
    by_step = fleet.evaluation.by_step
    parts: dict[str, tuple[tuple[str, ...], FloatArray]] = {"holdout": (MEASURES, fleet.scores)}
    if config.fit.origins > 1:
        parts["origins"] = (STEP_MEASURES, by_step.means[:, :, -1])
    return {
        f"{part}_{'' if method == 'model' else method + '_'}{measure}_{variable}": float(means[i, j, k])
        for part, (names, means) in parts.items()
        for i, method in enumerate(methods(fleet.fit.settings))
        for j, measure in enumerate(names)
        for k, variable in enumerate(config.the_series.variables)
        if not np.isnan(means[i, j, k])
    }


def write_accuracy(folder: Path, config: PipelineConfig, fleet: FittedFleet) -> None:
    """holdout.csv, origins.parquet and origin_counts.csv, if any series has a forecast to compare."""
    variables = config.the_series.variables
    if fleet.scored:
        holdout_table(fleet, variables).to_csv(folder / "holdout.csv", index=False)
    if fleet.evaluation.by_step.n_forecasts.any():
        origins_table(fleet, variables).to_parquet(folder / "origins.parquet", index=False)
        origin_counts(fleet, config).to_csv(folder / "origin_counts.csv", index=False)


def holdout_table(fleet: FittedFleet, variables: tuple[str, ...]) -> pd.DataFrame:
    """One row per variable and measure of the last origin, the model beside what it is compared with."""
    rows = [
        (variable, measure, *fleet.scores[:, j, k])
        for k, variable in enumerate(variables)
        for j, measure in enumerate(MEASURES)
    ]
    return pd.DataFrame(rows, columns=["variable", "measure", *methods(fleet.fit.settings)])


def origins_table(fleet: FittedFleet, variables: tuple[str, ...]) -> pd.DataFrame:
    """One row per variable, step (null: all steps together), method and measure.

    value: mean over `series` series, each over its own origins; null without any. origins: how many of the origins have
    a series with such a forecast and its truth. forecasts: pairs of a series and an origin. out_of_sample: always true.
    """
    by_step = fleet.evaluation.by_step
    means, n_origins = by_step.means, (by_step.n_forecasts > 0).sum(axis=0)
    n_forecasts: IntArray = by_step.n_forecasts.sum(axis=0)
    n_steps = means.shape[2] - 1
    rows = [
        (
            variable,
            step + 1 if step < n_steps else None,
            method,
            measure,
            means[i, j, step, k],
            by_step.n_series[i, step],
            n_origins[i, step],
            n_forecasts[i, step],
            True,
        )
        for k, variable in enumerate(variables)
        for step in range(n_steps + 1)
        for i, method in enumerate(methods(fleet.fit.settings))
        for j, measure in enumerate(STEP_MEASURES)
    ]
    names = ["variable", "step", "method", "measure", "value", "series", "origins", "forecasts", "out_of_sample"]
    return pd.DataFrame(rows, columns=names).astype({"step": "Int64"})


def origin_counts(fleet: FittedFleet, config: PipelineConfig) -> pd.DataFrame:
    """One row per origin, the last one first: how many periods before the end of a series it lies, and how many series
    were fitted there and compared."""
    series = fleet.evaluation.by_step.series_by_origin
    periods = config.fit.holdout + config.fit.origin_every * np.arange(len(series))
    return pd.DataFrame({"periods_before_end": periods, "series": series})


def report_accuracy(fleet: FittedFleet, config: PipelineConfig) -> None:
    """Log the measures of the hold-out and, with more than one origin, those of all origins and steps."""
    if not config.fit.holdout:
        return
    if not fleet.scored:
        log.warning("no hold-out metrics: no series is long enough without its last %d periods", config.fit.holdout)
        return
    variables, names = config.the_series.variables, methods(fleet.fit.settings)
    log.info("hold-out of %d periods, out of sample, mean over %s series:", config.fit.holdout, f"{fleet.scored:,}")
    log_means(holdout_table(fleet, variables), fleet.evaluation.holdout.counts, names)
    if config.fit.origins == 1:
        return
    counts = ", ".join(f"{count:,}" for count in fleet.evaluation.by_step.series_by_origin)
    log.info(
        "%d origins, out of sample, mean over all steps; series by origin, the last first: %s",
        config.fit.origins,
        counts,
    )
    table = origins_table(fleet, variables)
    wide = table[table["step"].isna()].pivot(index=["variable", "measure"], columns="method", values="value")
    order = [(variable, measure) for variable in variables for measure in STEP_MEASURES]
    log_means(wide.loc[order].reset_index(), fleet.evaluation.by_step.n_series[:, -1], names)


def log_means(table: pd.DataFrame, counts: IntArray, names: tuple[str, ...]) -> None:
    """table: variable, measure and one column per method. counts: (methods,), the series that the means are of; those
    of a method are named where it has fewer than the model."""
    for row in table.to_dict("records"):
        others = [
            f"{name.replace('_', ' ')} {row[name]:.4g}" + (f" (of {count:,} series)" if count < counts[0] else "")
            for name, count in zip(names[1:], counts[1:], strict=True)
        ]
        log.info("  %s %s: %s", row["variable"], row["measure"], ", ".join([f"{row['model']:.4g}", *others]))
