"""A look into one series: fits it as the pipeline's fit does, and has statsmodels examine the model."""

from dataclasses import replace

import numpy as np
import pandas as pd

from penstock.config.pipeline import PipelineConfig
from penstock.config.series import FitConfig
from penstock.models.inspection.fit_tables import (
    decomposition_table,
    exogenous_table,
    forecast_table,
    impulse_table,
    lag_orders_table,
    variables_table,
)
from penstock.models.inspection.hints import hint_of
from penstock.models.inspection.observations import SeriesObservations
from penstock.models.inspection.report import Inspection, Modelled, Observed, ReportTable, SeenRun
from penstock.models.inspection.statsmodels_tables import (
    attempted,
    causality_of,
    coefficients_table,
    residual_tables,
    roots_of,
    statsmodels_estimate,
)
from penstock.models.training.var_diagnostics import Subject, subjects
from penstock.models.training.var_exogenous import read_known
from penstock.models.training.var_settings import bucket_settings, check_workload
from penstock.udfs.var.bucket import BucketSettings, arranged, fitted, holes_of, known_in_advance, refusals
from penstock.udfs.var.exogenous_lookup import ExogenousValues
from penstock.udfs.var.fleet_fit import FleetFit
from penstock.udfs.var.histories import Histories
from penstock.udfs.var.transform import observations_lost


def inspect_series(found: SeriesObservations, config: PipelineConfig, *, steps: int | None = None) -> Inspection:
    """steps: of impulse responses, decomposition and forecast; default series.horizon.

    Raises ConfigError for a pipeline of rows, FitError for settings that can't be fitted, ExogenousError for
    exogenous variables that can't be read.
    """
    check_workload(config, job="inspect")
    given_settings = bucket_settings(config, ids_are_integers=isinstance(found.series_id, int))
    settings = replace(
        given_settings,
        fit=replace(given_settings.fit, horizon=steps or config.the_series.horizon),
        holidays=config.the_series.calendar.holidays,
    )
    given = arranged(found.rows, settings)
    source = read_known(config)
    known = known_in_advance(source.values if source else None, given, settings)
    fit = fitted(given, settings, known)
    reason = refusals(given, fit).get(found.series_id)
    about = Inspection(
        pipeline=config.pipeline,
        series_id=found.series_id,
        locations=found.locations,
        transforms=tuple(zip(config.the_series.variables, config.the_series.transforms, strict=True)),
        frequency=config.the_series.frequency,
        settings=settings_texts(config.fit, exogenous=config.the_series.exogenous_names),
        level=config.the_series.main_level,
        observed=observed(found, given),
        tables=(
            variables_table(found.rows, config.the_series),
            *(exogenous_table(known, given, settings.fit.exogenous, horizon=settings.fit.horizon) if known else ()),
        ),
    )
    if reason is not None:
        return replace(about, refused=reason, hint=hint_of(reason))
    return with_model(about, given, fit, settings, known)


def settings_texts(fit: FitConfig, *, exogenous: tuple[str, ...] = ()) -> tuple[str, ...]:
    texts = [fit.criterion or "no criterion", f"max_lags {fit.max_lags}", f"trend {fit.trend}"]
    if fit.season:
        texts.append(f"season {fit.season:g}" + (f" with fourier {fit.fourier}" if fit.fourier else ""))
    if fit.prior != "none":
        texts.append(f"prior {fit.prior} with tightness {fit.tightness:g} and decay {fit.decay:g}")
    if fit.intervals != "plain":
        texts.append(f"intervals {fit.intervals}")
    if exogenous:
        texts.append(f"exogenous {', '.join(exogenous)}")
    return tuple(texts)


def observed(found: SeriesObservations, given: Histories) -> Observed:
    if not len(given.ids):
        return Observed(n_rows=found.rows.num_rows, n_used=0, first=None, last=None)
    first, last = (pd.Timestamp(given.ds[place]).to_pydatetime() for place in (0, -1))
    holes = tuple(holes_of(given, 0))
    return Observed(n_rows=found.rows.num_rows, n_used=len(given.levels), first=first, last=last, holes=holes)


def seen_run(subject: Subject) -> SeenRun:
    dates = subject.values.index
    first, last = (dates[0].to_pydatetime(), dates[-1].to_pydatetime()) if len(dates) else (None, None)
    return SeenRun(n_runs=subject.n_runs, n_observations=len(dates), first=first, last=last)


def with_model(
    about: Inspection, given: Histories, fit: FleetFit, settings: BucketSettings, known: ExogenousValues | None
) -> Inspection:
    """fit: of this series alone."""
    lag_order, steps = int(fit.lag_order[0]), settings.fit.horizon
    [subject] = subjects(given, settings, {about.series_id: lag_order}, exogenous=known)
    n_holes = len(about.observed.holes) or int(not subject.is_all)
    with np.errstate(all="ignore"):
        estimated, problems = statsmodels_estimate(subject, settings.fit)
        coefficients, differences = coefficients_table(fit, estimated, n_holes=n_holes)
        tables: list[ReportTable] = [
            *about.tables,
            *([lag_orders_table(given, settings.fit, lag_order, known)] if settings.fit.prior == "none" else []),
            coefficients,
        ]
        problems += differences
        on = f"On the longest run without holes, {len(subject.values):,} observations. " if n_holes else ""
        parts = [attempted("roots", lambda: roots_of(fit))]
        if estimated is not None:
            parts += [
                residual_tables(estimated, on=on),
                attempted("granger_causality", lambda: causality_of(estimated, on=on)),
            ]
        parts += [
            attempted("impulse_responses", lambda: impulse_table(fit, steps=steps)),
            attempted("error_decomposition", lambda: decomposition_table(fit, steps=steps)),
            attempted(
                "forecast",
                lambda: forecast_table(given, fit, known, frequency=settings.frequency, holidays=settings.holidays),
            ),
        ]
    modelled = Modelled(
        lag_order=lag_order,
        lags_tried=int(fit.lags_tried[0]),
        n_rows=len(given.levels) - observations_lost(settings.fit.transforms) - lag_order - int(fit.rows_left_out[0]),
        rows_left_out=int(fit.rows_left_out[0]),
        root_modulus=float(fit.root_modulus[0]),
        seen=seen_run(subject) if estimated is not None else SeenRun.nothing(),
    )
    return replace(
        about,
        modelled=modelled,
        tables=(*tables, *(table for found, _ in parts for table in found)),
        problems=(*problems, *(problem for _, found in parts for problem in found)),
    )
