"""The chunks of a rescore, one after the other: each is appended once, so that an interrupted one can run again."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pyspark.sql import DataFrame, Observation

from penstock.errors import RescoreError
from penstock.pipeline.context import Pipeline
from penstock.pipeline.rescore.plans import (
    ChunkRecord,
    RescorePlan,
    answer_tables,
    chunk_path,
)
from penstock.pipeline.rescore.rows import compared_rows, comparison_columns
from penstock.pipeline.rescore.series import HAD_FORECAST, chunk_answers
from penstock.pipeline.rescore.series_changes import forecast_changes, observation_counts
from penstock.spark.tables import PreparedAppend, prepare_append
from penstock.storage.delta_transactions import is_there, last_transaction

log = logging.getLogger(__name__)
#: Called with a line for the person who waits.
Report = Callable[[str], None]


def write_chunks(pipeline: Pipeline, plan: RescorePlan, report: Report) -> None:
    """Every chunk from the first one that is not in all its tables. Raises LeaseError, RescoreError,
    TableConflictError."""
    write = write_rows if pipeline.config.workload == "rows" else write_series
    first, last = first_missing(pipeline, plan), len(plan.chunks)
    if first:
        report(f"{plan.described}: {min(first, last)} of {last} chunks were written before")
    for number in range(first, last):
        write(pipeline, plan, number)
        report(f"{plan.described}: chunk {number + 1} of {last} written, {plan.chunks[number].rows:,} rows")
    missing = first_missing(pipeline, plan)
    if missing < last:
        raise RescoreError(
            f"{plan.described}: chunk {missing} was written, and is not in all of "
            f"{', '.join(answer_tables(pipeline.config))}; nothing is replaced. Please report this"
        )


def first_missing(pipeline: Pipeline, plan: RescorePlan) -> int:
    """The number of chunks that are in all their tables: a table takes them in their order."""
    config = pipeline.config
    application = plan.transaction(config.pipeline, 0).application
    written = [last_transaction(config, name, application) for name in answer_tables(config)]
    return min(-1 if version is None else version for version in written) + 1


def write_rows(pipeline: Pipeline, plan: RescorePlan, number: int) -> None:
    """The comparison with the answers before is on record before the rows are in the table: a chunk that is there has
    it."""
    chunk = plan.chunks[number]
    observation = Observation()
    compared = compared_rows(pipeline, plan, chunk.batches)
    watched = compared.observe(observation, *comparison_columns(compared))
    path = pipeline.config.table_path("rescored_predictions")
    frame = watched.select(*pipeline.spark.read.format("delta").load(path).columns)
    written = prepared(pipeline, plan, frame, "rescored_predictions", number)
    if written is None:
        return
    record = record_of(observed(observation) or first_row(compared.agg(*comparison_columns(compared))))
    if record.rows != chunk.rows or written.rows != chunk.rows:
        raise RescoreError(
            f"{plan.described}: chunk {number} has {chunk.rows} rows by its plan, and {written.rows} came out; "
            "nothing of it is committed. Please report this"
        )
    keep_record(pipeline, plan, number, record)
    commit_append(pipeline, written.append)


@dataclass(frozen=True)
class Written:
    """An append whose files are written, and how many rows these have."""

    append: PreparedAppend
    rows: int


def prepared(pipeline: Pipeline, plan: RescorePlan, frame: DataFrame, table: str, number: int) -> Written | None:
    """A chunk's append to a table; None if that has it already: a process that was believed dead has written it.

    Raises RescoreError where it is not known how many rows were written.
    """
    config = pipeline.config
    transaction = plan.transaction(config.pipeline, number)
    pipeline.lease.check()
    append = prepare_append(frame, config.table_path(table), transaction)
    if append.rows is not None:
        return Written(append, append.rows)
    if is_there(config, table, transaction):
        return None
    raise RescoreError(
        f"{plan.described}: the files of chunk {number} for {table} have no statistics, so that it is not known how "
        "many rows they have; nothing of it is committed. Set spark.databricks.delta.stats.collect to true, which is "
        "its default, and run it again"
    )


def keep_record(pipeline: Pipeline, plan: RescorePlan, number: int, record: ChunkRecord) -> None:
    content = record.model_dump_json().encode()
    pipeline.storage.replace(chunk_path(pipeline.config, plan.number, number), content)


def commit_append(pipeline: Pipeline, append: PreparedAppend) -> None:
    pipeline.lease.check()
    append.commit()


def observed(observation: Observation) -> dict[str, Any] | None:
    """None where Spark tells nothing of the pass: asked for it, it would wait for ever."""
    observed_by_spark: Any = observation._jo
    if not observed_by_spark.future().isCompleted() or observed_by_spark.getRow().length() == 0:
        return None
    return observation.get


def first_row(frame: DataFrame) -> dict[str, Any]:
    found = frame.first()
    return found.asDict() if found else {}


def record_of(found: dict[str, Any]) -> ChunkRecord:
    return ChunkRecord.model_validate({name: value for name, value in found.items() if value is not None})


def write_series(pipeline: Pipeline, plan: RescorePlan, number: int) -> None:
    """How many rows it has, and the comparison with the answers before, is on record before any of them is in a table;
    a replacement asks for all rows."""
    chunk = plan.chunks[number]
    with chunk_answers(pipeline, plan, chunk) as answers:
        forecasts = prepared(pipeline, plan, answers.forecasts, "rescored_forecasts", number)
        observation = Observation()
        watched = answers.observations.observe(observation, *observation_counts()).drop(HAD_FORECAST)
        observations = prepared(pipeline, plan, watched, "rescored_observations", number)
        if observations is None:
            return  # the table takes it after the forecasts
        if forecasts is not None:
            counts = observed(observation) or first_row(answers.observations.agg(*observation_counts()))
            changes = first_row(forecast_changes(pipeline, plan, chunk, answers.scored))
            found = {**counts, **changes, "rows": observations.rows, "forecasts": forecasts.rows}
            keep_record(pipeline, plan, number, record_of(found))
            commit_append(pipeline, forecasts.append)
        commit_append(pipeline, observations.append)
