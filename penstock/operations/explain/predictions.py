"""Explains one row of `predictions`."""

import re
from typing import Any

import duckdb
import pyarrow as pa

from penstock.config.loading import load_contract
from penstock.config.pipeline import PipelineConfig
from penstock.errors import AnswerNotFoundError, ConfigError
from penstock.models.explanation.again import predicted_again
from penstock.operations.explain.labels import labels_of
from penstock.operations.explain.model_facts import FoundModel, find_model
from penstock.operations.explain.neighbours import batches_with
from penstock.operations.explain.origins import file_of, origin_of
from penstock.operations.explain.report import AgainFacts, Beside, OtherAnswer, PredictionReport, other_role
from penstock.operations.explain.tables import ROWS_TABLES, as_python, opened_tables, rows_of, rows_where, values_of
from penstock.schemas.contract import Contract
from penstock.storage.duckdb_tables import registered

#: So many matches are looked at to say how many there are.
LIMIT = 1000
SHOWN_MATCHES = 5
INTEGER = re.compile(r"[+-]?[0-9]{1,19}")


def explain_prediction(config: PipelineConfig, *, row_id: str | None, where: str | None) -> PredictionReport:
    """row_id or where: a condition in DuckDB's SQL that one row meets, or rows that share their row_id.

    Raises ConfigError, AnswerNotFoundError, EnvironmentCheckError.
    """
    contract = load_contract(config)
    with opened_tables(config, ROWS_TABLES) as tables:
        condition = where if where is not None else id_condition(tables, str(row_id))
        found = rows_where(tables, condition, limit=LIMIT)
        asked = f"row_id {row_id}" if where is None else where
        if not len(found):
            refuse(tables, config, asked, sought=str(row_id) if where is None else where)
        row = only_one(found, asked, [field.name for field in contract.fields if field.name in found.column_names])
        return explained(tables, config, contract, row, equal_rows=len(found))


def id_condition(tables: duckdb.DuckDBPyConnection, row_id: str) -> str:
    """Raises ConfigError for a text that can't be an id."""
    predictions = tables.table("predictions")
    kind = str(predictions.types[predictions.columns.index("row_id")])
    if kind in ("BIGINT", "INTEGER"):
        if INTEGER.fullmatch(row_id):
            return f"row_id = {int(row_id)}"
        raise ConfigError(
            f"{row_id!r} is no row_id, which is an integer of 64 bits (the column row_id of predictions); to look for "
            'a row by another column, write --where "order_id = 17"'
        )
    # A contract's own, of whatever type.
    text = row_id.replace("'", "''")
    return f"row_id::VARCHAR = '{text}'"


def only_one(found: pa.Table, asked: str, columns: list[str]) -> pa.Table:
    """The newest of the rows, which share their row_id and the contract's columns. Raises AnswerNotFoundError for rows
    of several: with labels.key a row_id is that of the key alone."""
    ids = set(found["row_id"].to_pylist())
    differing = [name for name in columns if len(set(map(repr, values_of(found[name])))) > 1]
    if len(found) == 1 or (len(ids) == 1 and None not in ids and not differing):
        return found.slice(0, 1)
    shown = as_python(found.slice(0, SHOWN_MATCHES))
    listed = "; ".join(
        f"row_id {row['row_id']}: {row['prediction']} of {row['source_file'].rpartition('/')[2]}, "
        f"batch {row['batch_id']}"
        for row in shown
    )
    many = f"more than {LIMIT:,}" if len(found) == LIMIT else f"{len(found):,}"
    more = " ..." if len(found) > len(shown) else ""
    if len(ids) == 1 and None not in ids:
        raise AnswerNotFoundError(
            f"{many} predictions are meant by {asked}: {listed}{more}; they share their row_id, and differ in "
            f"{', '.join(differing)}; add a condition with --where that one of them meets"
        )
    raise AnswerNotFoundError(
        f"{many} predictions are meant by {asked}: {listed}{more}; name one by its row_id, or narrow the condition "
        "down (AND source_file LIKE '%/morning.csv')"
    )


def refuse(tables: duckdb.DuckDBPyConnection, config: PipelineConfig, asked: str, *, sought: str) -> None:
    """Raises AnswerNotFoundError, with how many quarantined rows mention what was sought."""
    mentioned = 0
    words = re.findall(r"'([^']+)'|([\w.-]+)\s*$", sought)
    word = next((one or other for one, other in words), "")
    if word and "quarantine" in registered(tables):
        (row,) = rows_of(
            tables,
            "SELECT count(*) AS n FROM quarantine WHERE contains(raw, $word) OR contains(source_file, $word)",
            word=word,
        )
        mentioned = row["n"]
    hint = (
        f"{mentioned:,} rows or files of the quarantine mention {word!r}: look there for the reasons"
        if mentioned
        else "no row of the quarantine mentions it either; is it in a file that waits? (penstock status)"
    )
    raise AnswerNotFoundError(f"{asked}: not among the predictions in {config.table_path('predictions')}; {hint}")


def explained(
    tables: duckdb.DuckDBPyConnection, config: PipelineConfig, contract: Contract, found: pa.Table, *, equal_rows: int
) -> PredictionReport:
    (row,) = as_python(found)
    origin = origin_of(tables, config, contract, row)
    model = find_model(
        config,
        contract,
        name=row["model_name"],
        version=row["model_version"],
        pinned=origin.pinned,
        sha256=origin.sha256,
    )
    # A column that came into the contract later is in none of its batches.
    values = {field.name: row[field.name] for field in contract.fields if field.name in row}
    return PredictionReport(
        pipeline=config.pipeline,
        row_id=row["row_id"],
        prediction=row["prediction"],
        error=row["error"],
        row=values,
        equal_rows=equal_rows,
        batch=origin.batch,
        file=file_of(config, contract, origin, row["source_file"], values),
        plan=origin.facts,
        model=model.facts,
        again=again(config, contract, found, model),
        others=other_answers(tables, row, values),
        beside=beside(row),
        labels=labels_of(config, row),
    )


def beside(row: dict[str, Any]) -> Beside | None:
    """None where one version alone was asked for, as in every table from before the first experiment."""
    if row.get("shadow_version") is None:
        return None
    return Beside(
        role=other_role(row["role"]),
        model_version=row["shadow_version"],
        answer=row["shadow_prediction"],
        error=row["shadow_error"],
    )


def again(config: PipelineConfig, contract: Contract, row: pa.Table, model: FoundModel) -> AgainFacts:
    if model.loaded is None:
        return AgainFacts(is_equal=None, problem=model.facts.problem or "")
    needed = [
        field.name
        for column in model.loaded.inputs
        if (field := contract.field_for_model_input(column.name)) is not None
    ]
    missing = [name for name in needed if name not in row.column_names]
    if missing:
        return AgainFacts(is_equal=None, problem=f"the table has no column {', '.join(missing)}, an input of the model")
    found = predicted_again(model.loaded, contract, row, lambda: batches_with(config, contract, row))
    return AgainFacts(
        is_equal=found.is_equal,
        value=found.value,
        error=found.error,
        together=found.together,
        alone=found.alone,
        difference="" if found.is_equal else difference(row["prediction"][0].as_py(), found.value),
    )


def difference(stored: Any, computed: Any) -> str:
    if isinstance(stored, float) and isinstance(computed, float):
        return f"{stored!r} in the table, {computed!r} now: they differ by {abs(stored - computed):.3g}"
    return f"{stored!r} in the table, {computed!r} now"


def other_answers(
    tables: duckdb.DuckDBPyConnection, row: dict[str, Any], values: dict[str, Any]
) -> tuple[OtherAnswer, ...]:
    """From rescores of the row but its own, the newest first. values: of the contract's columns; another row of the
    batch may have the same key."""
    if "rescored_predictions" not in registered(tables) or row["row_id"] is None:
        return ()
    found = rows_of(
        tables,
        "SELECT * FROM rescored_predictions WHERE row_id = $row AND query_id = $query AND batch_id = $batch "
        "AND rescore_id IS DISTINCT FROM $own::BIGINT ORDER BY scored_at DESC",
        row=row["row_id"],
        query=row["query_id"],
        batch=row["batch_id"],
        own=row["rescore_id"],
    )
    return tuple(
        OtherAnswer(**{name: one[name] for name in ("model_version", "prediction", "error", "rescore_id")})
        for one in found
        if all(repr(one[name]) == repr(value) for name, value in values.items() if name in one)
    )
