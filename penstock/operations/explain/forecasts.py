"""Explains the forecasts of a series from one cutoff."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb
import pyarrow as pa

from penstock.config.loading import load_contract
from penstock.config.pipeline import PipelineConfig
from penstock.config.series import SeriesConfig
from penstock.config.series_contract import with_time_range
from penstock.errors import ExogenousError
from penstock.models.accuracy.losses import scaled_interval_loss
from penstock.models.explanation.bits import answers, is_same
from penstock.models.explanation.var_terms import VarForecast, open_fleet, var_forecast
from penstock.models.explanation.windows import (
    Observation,
    leads_after,
    window_arguments,
    window_at,
)
from penstock.models.in_process import LoadedModel
from penstock.models.registry import Registry
from penstock.operations.explain.beside import beside
from penstock.operations.explain.model_facts import FoundModel, find_model
from penstock.operations.explain.origins import Origin, exogenous_source, file_of, origin_of
from penstock.operations.explain.report import AgainFacts, ForecastReport, Step, WindowRow
from penstock.operations.explain.series_rows import (
    FoundForecasts,
    forecasts_at,
    shadow_error_at,
    valid_observations,
)
from penstock.operations.explain.tables import SERIES_TABLES, opened_tables
from penstock.series.exogenous_values import ExogenousSource, read_exogenous
from penstock.series.forecasts import window_contract
from penstock.storage.routing import storage_of
from penstock.udfs.var.fleet_fallback import METHOD, NAIVE, POOLED, SEASONAL_NAIVE
from penstock.udfs.var.fleet_forecast import BOUNDS, output_name

METHODS = {
    NAIVE: "the newest level carried on (naive), with the interval of a random walk",
    SEASONAL_NAIVE: "the last season repeated (seasonal_naive), with the interval of a seasonal random walk",
    POOLED: "the VAR of all series together (pooled), in units of this series' own changes",
}
FIRST = datetime(1, 1, 1, tzinfo=UTC)


def explain_forecast(
    config: PipelineConfig, *, series: str, cutoff: datetime | None, variable: str | None
) -> ForecastReport:
    """cutoff: in UTC; None for the newest of the series. variable: None for all.

    Raises AnswerNotFoundError, ConfigError, EnvironmentCheckError.
    """
    with opened_tables(config, SERIES_TABLES) as tables:
        found = forecasts_at(tables, series, cutoff)
        return explained(tables, config, series, found, variable)


def explained(
    tables: duckdb.DuckDBPyConnection,
    config: PipelineConfig,
    series_id: str,
    found: FoundForecasts,
    variable: str | None,
) -> ForecastReport:
    settings, row = config.the_series, found.rows[0]
    contract = with_time_range(load_contract(config), config)
    origin = origin_of(tables, config, contract, row)
    known = valid_observations(tables, settings, series_id, first=FIRST, last=found.cutoff, known_at=row["scored_at"])
    window = window_at(known, found.cutoff, settings)
    inputs = window_contract(contract, settings)
    model = find_model(
        config,
        inputs,
        name=row["model_name"],
        version=row["model_version"],
        pinned=origin.pinned,
        sha256=origin.sha256,
    )
    source, leads, problem = leads_of(config, origin, series_id, found.cutoff)
    again, outputs = made_again(model, found, window, series_id=series_id, leads=leads, series=settings)
    if again.is_equal is False and problem:
        again = AgainFacts(is_equal=None, problem=problem)
    at_cutoff = next((one for one in known if one.ds == found.cutoff), None)
    wanted: dict[str, Any] = {
        settings.time: found.cutoff,
        **({settings.id: id_of(series_id, config)} if settings.id else {}),
    }
    if at_cutoff:
        wanted |= dict(zip(settings.variables, at_cutoff.values, strict=True))
    path = at_cutoff.source_file if at_cutoff else ""
    return ForecastReport(
        pipeline=config.pipeline,
        series_id=series_id,
        cutoff=found.cutoff,
        is_newest=found.is_newest,
        versions=found.versions,
        error=at_cutoff.error if at_cutoff else None,
        batch=origin.batch,
        file=file_of(config, contract, origin_of_file(tables, config, contract, at_cutoff, origin), path, wanted),
        plan=origin.facts,
        model=model.facts,
        again=again,
        steps=tuple(steps_of(tables, settings, series_id, found, variable)),
        window=tuple(
            WindowRow(
                ds=one.ds,
                values=dict(zip(settings.variables, one.values, strict=True)),
                source_file=one.source_file,
            )
            for one in window
        ),
        exogenous=source.described if source else None,
        method=METHODS.get(int(outputs[METHOD])) if outputs.get(METHOD) is not None else None,
        terms=terms_of(config, model, found, window, series_id=series_id, leads=leads, variable=variable),
        beside=beside(found.rows, settings, error=shadow_error_at(tables, series_id, row), plan=origin.plan),
    )


def id_of(series_id: str, config: PipelineConfig) -> str | int:
    kinds = {field.name: field for field in load_contract(config).fields}
    return int(series_id) if kinds[str(config.the_series.id)].facts.is_whole else series_id


def origin_of_file(
    tables: duckdb.DuckDBPyConnection,
    config: PipelineConfig,
    contract: Any,
    observation: Observation | None,
    origin: Origin,
) -> Origin:
    """That of the batch which the observation came in; a forecast may be of a later one."""
    batch = origin.batch
    if observation is None or (observation.query_id, observation.batch_id) == (batch.query_id, batch.batch_id):
        return origin
    row = {
        "query_id": observation.query_id,
        "batch_id": observation.batch_id,
        "scored_at": observation.observed_at,
        "role": batch.role,
    }
    return origin_of(tables, config, contract, row)


def leads_of(
    config: PipelineConfig, origin: Origin, series_id: str, cutoff: datetime
) -> tuple[ExogenousSource | None, dict[str, float | None], str]:
    """The source of exogenous values that the plan pinned, the values of the steps, and why there are none."""
    settings = config.the_series
    if settings.exogenous is None:
        return None, {}, ""
    source = exogenous_source(origin)
    problem = "" if source else "its plan, which says what exogenous values it read, is not kept"
    values: pa.Table | None = None
    if source:
        try:
            values = read_exogenous(config, source, storage=storage_of(config))
        except (ExogenousError, OSError) as error:
            problem = f"the exogenous values that its plan pinned are gone: {error}"
    return source, leads_after(values, series_id, cutoff, settings), problem


def made_again(
    model: FoundModel,
    found: FoundForecasts,
    window: list[Observation],
    *,
    series_id: str,
    leads: Mapping[str, float | None],
    series: SeriesConfig,
) -> tuple[AgainFacts, dict[str, Any]]:
    """All forecasts of the cutoff compared with those of the table, and the model's outputs."""
    if model.loaded is None:
        return AgainFacts(is_equal=None, problem=model.facts.problem or ""), {}
    loaded: LoadedModel = model.loaded
    arguments = window_arguments(
        loaded.inputs, window, series_id=series_id, cutoff=found.cutoff, leads=leads, series=series
    )
    ((outputs, error),) = answers(loaded.model.score([arguments]), loaded.outputs)
    if error is not None:
        return AgainFacts(is_equal=False, error=error, difference=f"the model raised {error}"), {}
    differences = [text for row in found.rows for text in differing(row, outputs)]
    return (
        AgainFacts(
            is_equal=not differences,
            value=f"all {len(found.rows)} forecasts with their bounds",
            difference="; ".join(differences[:3]) + (f" and {len(differences) - 3} more" if differences[3:] else ""),
        ),
        outputs,
    )


def differing(row: Mapping[str, Any], outputs: Mapping[str, Any]) -> list[str]:
    """Where a stored forecast is not what the model's outputs say."""
    variable, step = row["variable"], row["step"]
    pairs = [(bound, row[bound], outputs.get(output_name(variable, bound, step))) for bound in BOUNDS]
    for interval in row["intervals"] or ():
        level = None if interval["level"] == row["level"] else interval["level"]
        pairs += [
            (
                f"{bound} of {interval['level']}",
                interval[bound],
                outputs.get(output_name(variable, bound, step, level=level)),
            )
            for bound in BOUNDS[1:]
        ]
    return [
        f"{bound} of {variable}, step {step}: {stored!r} in the table, {computed!r} now"
        for bound, stored, computed in pairs
        if not is_same(stored, computed)
    ]


def terms_of(
    config: PipelineConfig,
    model: FoundModel,
    found: FoundForecasts,
    window: list[Observation],
    *,
    series_id: str,
    leads: Mapping[str, float | None],
    variable: str | None,
) -> VarForecast | None:
    """None for a forecast that no VAR of the series made, and where the model is not there."""
    if model.loaded is None or "fallback" in found.rows[0]["role"]:
        return None
    store = open_fleet(Registry.of(config).local_copy(model.loaded.version))
    if store is None:
        return None
    own_id = series_id if store.about.ids_are_strings else int(series_id)
    terms = var_forecast(store, series_id=own_id, cutoff=found.cutoff, window=window, leads=leads)
    return terms.of(variable) if terms and variable else terms


def steps_of(
    tables: duckdb.DuckDBPyConnection,
    series: SeriesConfig,
    series_id: str,
    found: FoundForecasts,
    variable: str | None,
) -> list[Step]:
    last = max(row["ds"] for row in found.rows) + timedelta(microseconds=1)
    actuals = {
        (one.ds, name): value
        for one in valid_observations(tables, series, series_id, first=found.cutoff, last=last)
        for name, value in zip(series.variables, one.values, strict=True)
    }
    order = {name: place for place, name in enumerate(series.variables)}
    rows = sorted(found.rows, key=lambda row: (order.get(row["variable"], len(order)), row["step"]))
    return [
        step_of(row, actuals.get((row["ds"], row["variable"]))) for row in rows if variable in (None, row["variable"])
    ]


def step_of(row: Mapping[str, Any], actual: float | None) -> Step:
    forecast, lower, upper = row["forecast"], row["lower"], row["upper"]
    known = actual if actual is not None and actual == actual else None
    error = loss = is_within = None
    if known is not None and forecast is not None:
        error = abs(forecast - known)
        if lower is not None and upper is not None:
            is_within = lower <= known <= upper
            loss = scaled_interval_loss(known, forecast=forecast, lower=lower, upper=upper, level=row["level"])
    return Step(
        step=row["step"],
        ds=row["ds"],
        variable=row["variable"],
        forecast=forecast,
        lower=lower,
        upper=upper,
        level=row["level"],
        intervals=row["intervals"],
        actual=known,
        absolute_error=error,
        loss=loss,
        is_within=is_within,
        shadow_forecast=row.get("shadow_forecast"),
    )
