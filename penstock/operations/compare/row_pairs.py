"""Predictions of several versions for the same rows, with the losses under their labels, as a table of DuckDB.

The same row is one of the same batch (query_id, batch_id), which a rescore keeps, with the same row_id and the same
values: with labels.key the row_id is the hash of the key alone, and a key may have been delivered twice.
"""

import re
from collections.abc import Mapping
from datetime import datetime

import duckdb

from penstock.config.evaluation_defaults import loss_of, unit_seconds
from penstock.config.label_contract import labels_config
from penstock.config.loading import load_contract
from penstock.config.pipeline import PipelineConfig
from penstock.errors import AnswerNotFoundError, ConfigError
from penstock.models.accuracy.losses import PROBABILITY_TOLERANCE, SMALLEST_PROBABILITY
from penstock.operations.compare.request import Request
from penstock.storage.duckdb_tables import quoted, register_table, registered

TABLES = ("predictions", "rescored_predictions")
#: What names a row; content is a hash of the contract's columns.
KEY = "query_id, batch_id, row_id, content"
TEXT = "VARCHAR"
NUMBERS = re.compile(r"U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?|FLOAT|DOUBLE|DECIMAL\(.*\)|BOOLEAN")


def make_answers(connection: duckdb.DuckDBPyConnection, config: PipelineConfig, request: Request) -> None:
    """The table `answers`: of each version and KEY the prediction that was made last. Equal lines count once.

    made_at: labels.time, or when the row was first scored. asked_at: when it was first scored.
    """
    assert config.labels is not None
    time = row_time_sql(config) or "NULL::TIMESTAMPTZ"
    content = [quoted(name) for name in content_columns(connection, config)]
    # Under names of ours, which no column of a contract can have.
    columns = ", ".join(
        [
            "query_id, batch_id, row_id, scored_at",
            f"hash({', '.join(['0', *content])}) AS content",
            f"{time} AS row_time",
            *[f"{quoted(column)} AS key_{number}" for number, column in enumerate(config.labels.key)],
            *[f"{quoted(column)} AS {quoted(by_column(column))}" for column in request.by],
        ]
    )
    parts = [
        f"SELECT {answer}, {columns} FROM {name} WHERE model_name = $name AND row_id IS NOT NULL"
        for name in TABLES
        if name in registered(connection)
        for answer in given_answers(connection, name)
    ]
    made_at = "row_time" if config.labels.time else "asked_at"
    connection.execute(
        f"""
        CREATE TABLE answers AS
        WITH given AS ({" UNION ALL ".join(parts)}),
        asked AS (SELECT {KEY}, min(scored_at) AS asked_at FROM given GROUP BY ALL)
        SELECT *, {made_at} AS made_at, model_version AS version FROM given JOIN asked USING ({KEY})
        WHERE list_contains($versions, model_version)
          AND ($since::TIMESTAMPTZ IS NULL OR {made_at} >= $since::TIMESTAMPTZ)
          AND ($until::TIMESTAMPTZ IS NULL OR {made_at} <= $until::TIMESTAMPTZ)
        QUALIFY row_number() OVER (PARTITION BY model_version, {KEY} ORDER BY scored_at DESC) = 1
        """,
        {
            "name": config.the_model.name,
            "versions": list(request.versions),
            "since": request.since,
            "until": request.until,
        },
    )


def row_time_sql(config: PipelineConfig) -> str | None:
    """The time of a row of predictions as its contract has it; None without labels.time."""
    if config.labels is None or config.labels.time is None:
        return None
    return f"TRY_CAST({quoted(config.labels.time)} AS TIMESTAMPTZ)"


def given_answers(connection: duckdb.DuckDBPyConnection, table: str) -> tuple[str, ...]:
    """Of a row the answer that stands, and that of the other version of an experiment."""
    stands = "model_version, prediction"
    if "shadow_version" not in connection.table(table).columns:
        return (stands,)
    return stands, "shadow_version AS model_version, shadow_prediction AS prediction"


def content_columns(connection: duckdb.DuckDBPyConnection, config: PipelineConfig) -> list[str]:
    """The contract's columns that all tables have: one may have come into the contract since."""
    tables = [connection.table(name).columns for name in TABLES if name in registered(connection)]
    return [field.name for field in load_contract(config).fields if all(field.name in columns for columns in tables)]


def by_column(column: str) -> str:
    """Of `answers` and `pairs`: a column of predictions that pairs are grouped by."""
    return f"by_{column}"


def make_pairs(
    connection: duckdb.DuckDBPyConnection,
    config: PipelineConfig,
    request: Request,
    fitted_until: Mapping[str, datetime | None],
) -> None:
    """The table `pairs`: version, unit (the window of evaluate.every in which the label came), the columns of
    `answers`, loss, absolute_error (null of texts), is_in_sample, is_hindsight and is_failed.

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
    prediction = prediction_sql(config, connection)
    check_kinds(connection, loss_of(config), prediction=prediction, label=config.labels.value)
    key = ", ".join(f"key_{number}" for number, _ in enumerate(config.labels.key))
    own_key = ", ".join(f"{quoted(column)} AS key_{number}" for number, column in enumerate(config.labels.key))
    known = [until for until in fitted_until.values() if until is not None]
    every = unit_seconds(config.evaluate)
    # What it says may depend on the version (its role, its error): a pair is of the group of the first one.
    of_first = "".join(
        f", any_value({column}) FILTER (WHERE version = $first) OVER (PARTITION BY {KEY}) AS {column}"
        for column in (quoted(by_column(name)) for name in request.by)
    )
    without = f" EXCLUDE ({', '.join(quoted(by_column(name)) for name in request.by)})" if request.by else ""
    connection.execute(
        f"""
        CREATE TABLE pairs AS
        WITH truth AS (
          SELECT {own_key}, {quoted(config.labels.value)} AS label, labelled_at FROM labels
          WHERE error IS NULL
        ),
        common AS (SELECT {KEY} FROM answers GROUP BY ALL HAVING count(*) = $count),
        scored AS (
          SELECT *, to_timestamp(floor(epoch(labelled_at) / {every}) * {every}) AS unit,
            {loss_sql(loss_of(config), prediction=prediction, label="label")} AS loss
          FROM answers JOIN common USING ({KEY}) JOIN truth USING ({key})
        )
        SELECT
          *{without}{of_first},
          {loss_sql("absolute", prediction=prediction, label="label")} AS absolute_error,
          NULL::DOUBLE AS naive_error,
          NULL::BOOLEAN AS is_within,
          coalesce(made_at <= $fitted::TIMESTAMPTZ, false) AS is_in_sample,
          -- The rows are the same ones, whenever a version answers.
          false AS is_hindsight,
          NOT bool_and(coalesce(isfinite(loss), false)) OVER (PARTITION BY {KEY}) AS is_failed
        FROM scored
        """,
        {"count": len(request.versions), "fitted": max(known) if known else None}
        | ({"first": request.versions[0]} if request.by else {}),
    )


def prediction_sql(config: PipelineConfig, connection: duckdb.DuckDBPyConnection) -> str:
    """The output that is judged. Raises ConfigError."""
    predictions = connection.table("predictions")
    kind = predictions.types[predictions.columns.index("prediction")]
    name = config.evaluate.prediction if config.evaluate else None
    if kind.id != "struct":
        return "prediction"
    outputs = [child for child, _ in kind.children]
    if name is None and len(outputs) == 1:
        name = outputs[0]
    if name not in outputs:
        raise ConfigError(
            f"evaluate.prediction is {name}: the model has several outputs; name the one to be judged: "
            f"{', '.join(outputs)}"
        )
    return f"prediction.{quoted(str(name))}"


def check_kinds(connection: duckdb.DuckDBPyConnection, loss: str, *, prediction: str, label: str) -> None:
    """Raises ConfigError for a prediction and a label that the loss can't compare."""
    (answer,) = connection.table("predictions").project(prediction).types
    labels = connection.table("labels")
    kinds = str(answer), str(labels.types[labels.columns.index(label)])
    if kinds == (TEXT, TEXT):
        if loss == "zero_one":
            return
        raise ConfigError(f"evaluate.loss {loss}: predictions and labels are texts; choose zero_one")
    if not all(NUMBERS.fullmatch(kind) for kind in kinds):
        raise ConfigError(
            f"evaluate.loss {loss}: a prediction is {kinds[0]} and its label {kinds[1]}, which can't be compared; give "
            "the label the prediction's type in its contract"
        )


def loss_sql(name: str, *, prediction: str, label: str) -> str:
    """As models.accuracy.losses.row_loss, of two expressions."""
    p, y = number_sql(prediction), number_sql(label)
    are_numbers = f"isfinite({p}) AND isfinite({y})"
    match name:
        case "absolute":
            return finite_sql(f"abs({p} - {y})")
        case "squared":
            return finite_sql(f"({p} - {y}) * ({p} - {y})")
        case "zero_one":
            are_texts = f"typeof({prediction}) = '{TEXT}' AND typeof({label}) = '{TEXT}'"
            return (
                f"CASE WHEN {are_texts} THEN ({prediction}::VARCHAR <> {label}::VARCHAR)::INT::DOUBLE "
                f"WHEN {are_numbers} THEN ({p} <> {y})::INT::DOUBLE END"
            )
        case _:
            is_probability = f"{p} BETWEEN {-PROBABILITY_TOLERANCE} AND {1.0 + PROBABILITY_TOLERANCE}"
            known = f"least(greatest({p}, 0.0::DOUBLE), 1.0::DOUBLE)"
            of_outcomes = " ".join(
                f"WHEN {is_probability} AND {y} = {outcome} THEN -ln(greatest({likely}, {SMALLEST_PROBABILITY}))"
                for outcome, likely in ((1, known), (0, f"1 - {known}"))
            )
            return f"CASE {of_outcomes} END"


def number_sql(expression: str) -> str:
    """Null of a text, whatever it says."""
    return f"CASE WHEN typeof({expression}) <> '{TEXT}' THEN TRY_CAST({expression} AS DOUBLE) END"


def finite_sql(expression: str) -> str:
    return f"CASE WHEN isfinite({expression}) THEN {expression} END"
