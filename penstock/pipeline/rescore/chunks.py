"""The chunks of a rescore, one after the other: each is appended once, so that an interrupted one can run again."""

import logging
from collections.abc import Callable
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
from penstock.pipeline.rescore.series import chunk_answers
from penstock.spark.tables import append_once, prepare_append
from penstock.storage.delta_transactions import last_transaction

log = logging.getLogger(__name__)
#: Called with a line for the person who waits.
Report = Callable[[str], None]


def write_chunks(pipeline: Pipeline, plan: RescorePlan, report: Report) -> None:
    """Every chunk from the first one that is not in all its tables. Raises LeaseError, TableConflictError."""
    write = write_rows if pipeline.config.workload == "rows" else write_series
    first, last = first_missing(pipeline, plan), len(plan.chunks)
    if first:
        report(f"{plan.described}: {min(first, last)} of {last} chunks were written before")
    for number in range(first, last):
        write(pipeline, plan, number)
        report(f"{plan.described}: chunk {number + 1} of {last} written, {plan.chunks[number].rows:,} rows")


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
    pipeline.lease.check()
    append = prepare_append(frame, path, plan.transaction(pipeline.config.pipeline, number))
    if append.rows is None:
        return  # a process that was believed dead has written it
    record = record_of(observed(observation) or counted(compared))
    if record.rows != chunk.rows or append.rows != chunk.rows:
        raise RescoreError(
            f"{plan.described}: chunk {number} has {chunk.rows} rows by its plan, and {append.rows} came out; "
            "nothing of it is committed. Please report this"
        )
    content = record.model_dump_json().encode()
    pipeline.storage.replace(chunk_path(pipeline.config, plan.number, number), content)
    pipeline.lease.check()
    append.commit()


def observed(observation: Observation) -> dict[str, Any] | None:
    """None where Spark tells nothing of the pass: asked for it, it would wait for ever."""
    observed_by_spark: Any = observation._jo
    if not observed_by_spark.future().isCompleted() or observed_by_spark.getRow().length() == 0:
        return None
    return observation.get


def counted(compared: DataFrame) -> dict[str, Any]:
    found = compared.agg(*comparison_columns(compared)).first()
    return found.asDict() if found else {"rows": 0}


def record_of(found: dict[str, Any]) -> ChunkRecord:
    return ChunkRecord.model_validate({name: value for name, value in found.items() if value is not None})


def write_series(pipeline: Pipeline, plan: RescorePlan, number: int) -> None:
    transaction = plan.transaction(pipeline.config.pipeline, number)
    with chunk_answers(pipeline, plan, plan.chunks[number]) as answers:
        for frame, name in (
            (answers.forecasts, "rescored_forecasts"),
            (answers.observations, "rescored_observations"),
        ):
            pipeline.lease.check()
            append_once(frame, pipeline.config.table_path(name), transaction)
