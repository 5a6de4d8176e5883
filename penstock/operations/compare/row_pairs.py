"""Predictions of several versions for the same rows, with the losses under their labels, as a table of DuckDB."""

from collections.abc import Mapping
from datetime import datetime

import duckdb

from penstock.config.evaluation_defaults import loss_of
from penstock.config.label_contract import labels_config
from penstock.config.pipeline import PipelineConfig
from penstock.errors import AnswerNotFoundError, ConfigError
from penstock.models.accuracy.losses import PROBABILITY_TOLERANCE, SMALLEST_PROBABILITY
from penstock.operations.compare.request import Request
from penstock.storage.duckdb_tables import quoted, register_table, registered

TABLES = ("predictions", "rescored_predictions")
EVERY_SECONDS = 3600.0


def make_answers(connection: duckdb.DuckDBPyConnection, config: PipelineConfig, request: Request) -> None:
    """The table `answers`: of each version and row_id the prediction that was made last. Equal lines count once."""
    assert config.labels is not None
    time = quoted(time_column(config))
    # Under names of ours, which no column of a contract can have.
    columns = ", ".join(
        [
            "model_name, model_version, row_id, prediction, scored_at",
            f"{time} AS made_at",
            *[f"{quoted(column)} AS key_{number}" for number, column in enumerate(config.labels.key)],
            *[f"{quoted(column)} AS {quoted(by_column(column))}" for column in request.by],
        ]
    )
    parts = [f"SELECT {columns} FROM {name}" for name in TABLES if name in registered(connection)]
    connection.execute(
        f"""
        CREATE TABLE answers AS
        SELECT *, model_version AS version FROM ({" UNION ALL ".join(parts)})
        WHERE model_name = $name AND list_contains($versions, model_version) AND row_id IS NOT NULL
          AND ($since::TIMESTAMPTZ IS NULL OR made_at >= $since::TIMESTAMPTZ)
          AND ($until::TIMESTAMPTZ IS NULL OR made_at <= $until::TIMESTAMPTZ)
        QUALIFY row_number() OVER (PARTITION BY model_version, row_id ORDER BY scored_at DESC) = 1
        """,
        {
            "name": config.the_model.name,
            "versions": list(request.versions),
            "since": request.since,
            "until": request.until,
        },
    )


def by_column(column: str) -> str:
    """Of `answers` and `pairs`: a column of predictions that pairs are grouped by."""
    return f"by_{column}"


def time_column(config: PipelineConfig) -> str:
    """When a row was made."""
    return (config.labels.time if config.labels else None) or "scored_at"


def make_pairs(
    connection: duckdb.DuckDBPyConnection,
    config: PipelineConfig,
    request: Request,
    fitted_until: Mapping[str, datetime | None],
) -> None:
    """The table `pairs`: version, unit (the window of evaluate.every in which the label came), the columns of
    `answers`, loss, absolute_error (null of texts), is_in_sample and is_failed.

    Raises AnswerNotFoundError where there is no table of labels, ConfigError.
    """
    assert config.labels is not None
    labels = labels_config(config)
    register_table(connection, labels, "labels")
    if "labels" not in registered(connection):
        raise AnswerNotFoundError(
            f"{labels.table_path('labels')}: there is no such table yet; run the pipeline of labels first "
            f"({labels.pipeline})"
        )
    key = ", ".join(f"key_{number}" for number, _ in enumerate(config.labels.key))
    own_key = ", ".join(f"{quoted(column)} AS key_{number}" for number, column in enumerate(config.labels.key))
    known = [until for until in fitted_until.values() if until is not None]
    every = (config.evaluate.every if config.evaluate else None) or EVERY_SECONDS
    connection.execute(
        f"""
        CREATE TABLE pairs AS
        WITH truth AS (
          SELECT {own_key}, {quoted(config.labels.value)} AS label, labelled_at FROM labels
          WHERE error IS NULL
        ),
        common AS (SELECT row_id FROM answers GROUP BY ALL HAVING count(*) = $count),
        scored AS (
          SELECT *, to_timestamp(floor(epoch(labelled_at) / {every}) * {every}) AS unit,
            {loss_sql(loss_of(config), prediction=prediction_sql(config, connection), label="label")} AS loss
          FROM answers JOIN common USING (row_id) JOIN truth USING ({key})
        )
        SELECT
          *,
          {absolute_sql(config, connection)} AS absolute_error,
          NULL::DOUBLE AS naive_error,
          NULL::BOOLEAN AS is_within,
          coalesce(made_at::TIMESTAMPTZ <= $fitted::TIMESTAMPTZ, false) AS is_in_sample,
          NOT bool_and(coalesce(isfinite(loss), false)) OVER (PARTITION BY row_id) AS is_failed
        FROM scored
        """,
        {"count": len(request.versions), "fitted": max(known) if known else None},
    )


def prediction_sql(config: PipelineConfig, connection: duckdb.DuckDBPyConnection) -> str:
    """The output that is judged. Raises ConfigError."""
    predictions = connection.table("predictions")
    kind = predictions.types[predictions.columns.index("prediction")]
    name = config.evaluate.prediction if config.evaluate else None
    if kind.id != "struct":
        return "prediction"
    outputs = [child for child, _ in kind.children]
    if name not in outputs:
        raise ConfigError(
            f"evaluate.prediction is {name}: the model has several outputs; name the one to be judged: "
            f"{', '.join(outputs)}"
        )
    return f"prediction.{quoted(str(name))}"


def loss_sql(name: str, *, prediction: str, label: str) -> str:
    """As models.accuracy.losses.row_loss, of two expressions; null, or not finite, where that has none."""
    p, y = f"TRY_CAST({prediction} AS DOUBLE)", f"TRY_CAST({label} AS DOUBLE)"
    match name:
        case "absolute":
            return f"abs({p} - {y})"
        case "squared":
            return f"({p} - {y}) * ({p} - {y})"
        case "zero_one":
            return (
                f"CASE WHEN {p} IS NULL OR {y} IS NULL THEN ({prediction}::VARCHAR <> {label}::VARCHAR)::INT::DOUBLE "
                f"WHEN isfinite({p}) AND isfinite({y}) THEN ({p} <> {y})::INT::DOUBLE END"
            )
        case _:
            is_probability = f"{p} BETWEEN {-PROBABILITY_TOLERANCE} AND {1.0 + PROBABILITY_TOLERANCE}"
            known = f"least(greatest({p}, 0.0::DOUBLE), 1.0::DOUBLE)"
            of_outcomes = " ".join(
                f"WHEN {is_probability} AND {y} = {outcome} THEN -ln(greatest({likely}, {SMALLEST_PROBABILITY}))"
                for outcome, likely in ((1, known), (0, f"1 - {known}"))
            )
            return f"CASE {of_outcomes} END"


def absolute_sql(config: PipelineConfig, connection: duckdb.DuckDBPyConnection) -> str:
    return f"abs(TRY_CAST({prediction_sql(config, connection)} AS DOUBLE) - TRY_CAST(label AS DOUBLE))"
