"""Compares versions of a pipeline's model on the rows that all of them have answered, and whose actuals are known."""

from datetime import UTC, datetime, timedelta
from typing import Any, NoReturn

import duckdb

from penstock.config.evaluation_defaults import loss_of, steps_of
from penstock.config.pipeline import PipelineConfig
from penstock.errors import AnswerNotFoundError, ConfigError
from penstock.operations.compare import row_pairs, series_pairs
from penstock.operations.compare.fit_ends import fit_ends
from penstock.operations.compare.groups import group_of, losers_of
from penstock.operations.compare.report import Comparison, Group
from penstock.operations.compare.request import BY_OF_SERIES, Request, check_request
from penstock.operations.explain.tables import opened_tables, rows_of

ROWS_TABLES = ("predictions", "rescored_predictions")
SERIES_TABLES = ("forecasts", "observations", "rescored_forecasts")


def compare(config: PipelineConfig, request: Request) -> Comparison:
    """Raises ConfigError, AnswerNotFoundError where they have nothing in common, EnvironmentCheckError,
    ModelRefusedError for an unknown version, RegistryUnavailableError."""
    if config.workload not in ("rows", "series"):
        raise ConfigError(f"compare: {config.pipeline} is a pipeline of {config.workload}, which gives no answers")
    is_series = config.workload == "series"
    with opened_tables(config, SERIES_TABLES if is_series else ROWS_TABLES) as tables:
        check_request(config, request, () if is_series else tuple(tables.table("predictions").columns))
        fitted = fit_ends(config, request.versions)
        check_window(request, fitted)
        pairs = series_pairs if is_series else row_pairs
        pairs.make_answers(tables, config, request)
        pairs.make_pairs(tables, config, request, fitted)
        return compared(tables, config, request, fitted)


def check_window(request: Request, fitted: dict[str, datetime | None]) -> None:
    """Raises ConfigError for a window that begins before the end of a fit, unless that is asked for."""
    if request.in_sample or request.since is None:
        return
    for version, until in fitted.items():
        if until is not None and request.since <= until:
            raise ConfigError(
                f"--from {text_of(request.since)}: version {version} was fitted on data until {text_of(until)}, so "
                "that earlier answers of it are in sample and say nothing of the next ones; begin later, leave --from "
                "out, or count them with --in-sample"
            )


def text_of(time: datetime | str | None) -> str:
    """A time beyond the year 9999 is a text already (explain.tables.rows_of)."""
    if not isinstance(time, datetime):
        return time or "an unknown time"
    return time.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S").removesuffix(" 00:00:00")


def compared(
    tables: duckdb.DuckDBPyConnection,
    config: PipelineConfig,
    request: Request,
    fitted: dict[str, datetime | None],
) -> Comparison:
    in_sample = "true" if request.in_sample else "NOT is_in_sample"
    (counts,) = rows_of(
        tables,
        "SELECT count(*) FILTER (is_failed) AS failed, count(*) FILTER (is_in_sample) AS in_sample, "
        f"count(*) FILTER (NOT is_failed AND {in_sample}) AS pairs, "
        f"min(unit) FILTER (NOT is_failed AND {in_sample}) AS first, "
        f"max(unit) FILTER (NOT is_failed AND {in_sample}) AS last FROM pairs WHERE version = $first",
        first=request.versions[0],
    )
    if not counts["pairs"]:
        refuse(tables, config, request, counts, fitted)
    tables.execute(f"CREATE TABLE judged AS SELECT * FROM pairs WHERE NOT is_failed AND {in_sample}")
    return Comparison(
        pipeline=config.pipeline,
        model=config.the_model.name,
        versions=request.versions,
        loss_name=loss_of(config),
        steps=steps_of(config) if config.workload == "series" else (),
        first=counts["first"],
        last=counts["last"],
        pairs=counts["pairs"],
        left_out_in_sample=0 if request.in_sample else counts["in_sample"],
        left_out_failed=counts["failed"],
        in_sample=request.in_sample and (counts["in_sample"] > 0 or None in fitted.values()),
        fitted_until=fitted,
        groups=tuple(groups_of(tables, config, request)),
        losers=tuple(losers_of(tables, request.versions, steps_of(config)))
        if config.workload == "series" and "series" in (request.by or BY_OF_SERIES)
        else (),
    )


def groups_of(tables: duckdb.DuckDBPyConnection, config: PipelineConfig, request: Request) -> list[Group]:
    """All pairs first, then by each of `by`."""
    is_series = config.workload == "series"
    decided = steps_of(config) if is_series else ()
    horizon = max(decided, default=1)
    found = group_of(tables, request.versions, by="", steps=decided, horizon=horizon)
    for by in request.by or (BY_OF_SERIES if is_series else ()):
        if not is_series:
            found += group_of(tables, request.versions, by=by, column=row_pairs.by_column(by), steps=(), horizon=1)
        elif by == "step":
            found += group_of(tables, request.versions, by="step", steps=(), horizon=None)
        elif by != "series":
            found += group_of(tables, request.versions, by=by, steps=decided, horizon=horizon)
    return found


def refuse(
    tables: duckdb.DuckDBPyConnection,
    config: PipelineConfig,
    request: Request,
    counts: dict[str, Any],
    fitted: dict[str, datetime | None],
) -> NoReturn:
    """Raises AnswerNotFoundError: what there is of each version, and what would give them something in common."""
    # What penstock rescore takes its window of: the cutoff, or when a row was scored.
    time, asked = ("ds", "cutoff") if config.workload == "series" else ("made_at", "asked_at")
    kind = "forecasts" if config.workload == "series" else "predictions"
    found = {
        row["version"]: row
        for row in rows_of(
            tables,
            f"SELECT version, count(*) AS n, min({time}) AS first, max({time}) AS last, min({asked}) AS first_asked, "
            f"max({asked}) AS last_asked FROM answers GROUP BY version",
        )
    }
    versions = ", ".join(request.versions)
    have = "; ".join(
        f"version {version} has {found[version]['n']:,} {kind} of {text_of(found[version]['first'])} to "
        f"{text_of(found[version]['last'])}"
        if version in found
        else f"version {version} has none"
        for version in request.versions
    )
    if counts["in_sample"]:
        raise AnswerNotFoundError(
            f"versions {versions} have {counts['in_sample']:,} {kind} in common, all of them in sample (the last fit "
            f"ends {text_of(max(until for until in fitted.values() if until))}); wait for later ones, or count these "
            "with --in-sample"
        )
    if counts["failed"]:
        raise AnswerNotFoundError(
            f"versions {versions} have {counts['failed']:,} {kind} in common, and none with a finite answer of each "
            "and a loss; look at their errors"
        )
    raise AnswerNotFoundError(
        f"versions {versions} have no {kind} in common whose actual or label is known: {have}. {advice(request, found)}"
    )


def advice(request: Request, found: dict[str, dict[str, Any]]) -> str:
    missing = [version for version in request.versions if version not in found]
    others = [row for version, row in found.items() if version not in missing]
    if not others:
        return "Are the versions those of this pipeline's model? See penstock models"
    lacking = missing or [min(found, key=lambda version: found[version]["n"])]
    of = max(others, key=lambda row: row["n"])
    # What it is given as --to is not in the window.
    end = of["last_asked"] + timedelta(days=1)
    commands = " and ".join(
        f"penstock rescore --from {of['first_asked']:%Y-%m-%d} --to {end:%Y-%m-%d} --version {version} --as shadow"
        for version in lacking
    )
    return f"To have them for the same rows: {commands}"
