"""What a rescore will do: the finished batches or cutoffs of its window, in chunks, and the versions that it reads."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from pyspark.sql import DataFrame, Row, Window
from pyspark.sql import functions as F

from penstock.config.pipeline import PipelineConfig
from penstock.errors import ModelRefusedError, RescoreError
from penstock.models.pinned import PinnedModel
from penstock.models.probe import PROBE_ROWS, Outcome
from penstock.models.registry import ModelVersion
from penstock.models.trust import artifact_digest
from penstock.pipeline.batch_ranges import up_to
from penstock.pipeline.code_version import own_version
from penstock.pipeline.context import Pipeline
from penstock.pipeline.ledger import finished_batches, finished_batches_by_query
from penstock.pipeline.plan import plan_path, planned_batches, read_plan
from penstock.pipeline.replay.plans import refuse_unfinished_replay, replay_numbers
from penstock.pipeline.rescore.plans import (
    ROLES,
    Chunk,
    PlannedBatch,
    RescorePlan,
    RescoreRequest,
    answer_tables,
    read_rescore,
    replaced_tables,
    rescore_numbers,
    rescore_path,
    rescore_transaction,
    source_table,
)
from penstock.pipeline.rescore.rows import rows_of
from penstock.pipeline.rescore.series import chunk_windows, is_asked, is_between, observations_at, some_series
from penstock.series.valid_observations import is_in_use
from penstock.sources.checkpoint import query_id_of
from penstock.spark.tables import lasting_version, table_at
from penstock.storage.delta_transactions import last_transaction
from penstock.storage.files import moment_of

Batches = Iterable[tuple[str, int]]


def plan_rescore(
    pipeline: Pipeline, request: RescoreRequest, version: ModelVersion, *, chunk_rows: int
) -> RescorePlan | None:
    """The plan, fixed beside the tables; None where no finished batch has anything in the window.

    Raises LedgerError where a replay is unfinished, RescoreError where a batch of the window is, ModelRefusedError.
    """
    config, storage = pipeline.config, pipeline.storage
    refuse_unfinished_replay(config, storage)
    last_replay, planned_at = last_replay_of(pipeline), datetime.now(UTC)
    refuse_begun_batch(pipeline, request)
    # Before the versions are pinned: these have every row of each batch that counts as finished.
    finished = last_finished_batches(pipeline)
    source_version = lasting_version(pipeline.spark, config.table_path(source_table(config)))
    answers = replaced_tables(config)[0]
    same = answers == source_table(config)
    plan = RescorePlan(
        number=next_rescore_number(pipeline),
        planned_at=planned_at,
        request=request,
        model=PinnedModel(
            name=version.name,
            version=version.version,
            role=ROLES[request.purpose],
            source=version.source,
            created_milliseconds=version.created_milliseconds,
        ),
        sha256=artifact_digest(pipeline.the_selector.registry.local_copy(version)),
        contract_hash=pipeline.contract_hash,
        config_hash=config.meaning_hash,
        source_version=source_version,
        answers_version=source_version if same else lasting_version(pipeline.spark, config.table_path(answers)),
        finished=finished,
        last_replay=last_replay,
        chunks=(),
        exogenous=pipeline.exogenous.pin(),
        penstock=own_version(),
    )
    chunks = (
        rows_chunks(pipeline, plan, chunk_rows)
        if config.workload == "rows"
        else series_chunks(pipeline, plan, chunk_rows)
    )
    if not chunks:
        return None
    plan = plan.model_copy(update={"chunks": chunks})
    check_model(pipeline, plan, version)
    refuse_unfinished_replay(config, storage)
    if last_replay_of(pipeline) != last_replay:
        raise RescoreError("a replay ran while the rescore was planned, and nothing is written: run it again")
    if not storage.create(rescore_path(config, plan.number), plan.model_dump_json(indent=1).encode()):
        raise RescoreError(
            f"{rescore_path(config, plan.number)}: another process has planned this rescore; run it again"
        )
    return plan


def check_model(pipeline: Pipeline, plan: RescorePlan, version: ModelVersion) -> None:
    """Trust, signature, outputs, and what it makes of rows of the window. Raises ModelRefusedError."""
    test = pipeline.the_selector.test
    result = test(version, lambda: probe_rows(pipeline, plan))
    if result.outcome is Outcome.NO_ROWS and pipeline.config.workload == "series":
        # None of those few has a window of its own: each was revised by one that is not asked for.
        result = test(version, lambda: all_windows(pipeline, plan))
    if result.outcome is Outcome.REFUSED:
        raise ModelRefusedError(f"model {version.uri} is refused, and nothing is rescored: {result.reason}")


def probe_rows(pipeline: Pipeline, plan: RescorePlan) -> DataFrame:
    first = plan.chunks[0]
    if pipeline.config.workload == "rows":
        return rows_of(pipeline, plan, first.batches).limit(PROBE_ROWS)
    few = some_series(pipeline, plan, first, PROBE_ROWS)
    return chunk_windows(pipeline, plan, first, pipeline.exogenous.leads(plan.exogenous), of=few)


def all_windows(pipeline: Pipeline, plan: RescorePlan) -> DataFrame:
    return chunk_windows(pipeline, plan, plan.chunks[0], pipeline.exogenous.leads(plan.exogenous))


def last_replay_of(pipeline: Pipeline) -> int:
    return max(replay_numbers(pipeline.config, pipeline.storage), default=-1)


def refuse_begun_batch(pipeline: Pipeline, request: RescoreRequest) -> None:
    """Raises RescoreError for a batch of the stream that is planned in the window and has no marker: its rows would
    come after the plan."""
    config, storage = pipeline.config, pipeline.storage
    planned = planned_batches(storage, config.checkpoint)
    if config.workload != "rows" or not planned:
        return
    query_id = query_id_of(storage, config.checkpoint)
    done = finished_batches(config, storage).get(query_id or "", -1)
    plan = read_plan(storage, plan_path(config.checkpoint, planned[-1])) if planned[-1] > done else None
    if plan is not None and request.begin <= plan.planned_at < request.end:
        raise RescoreError(unfinished_batch(plan.query_id, plan.batch_id))


def unfinished_batch(query_id: str, batch_id: int) -> str:
    return (
        f"batch {batch_id} of query {query_id} is in the window and not finished: wait until the stream has finished "
        "it (or run jobs/backfill.py once), or end the window before it"
    )


def last_finished_batches(pipeline: Pipeline) -> dict[str, int]:
    """By query id the last batch with a marker: a query finishes its batches in order."""
    return finished_batches_by_query(pipeline.config, pipeline.storage)


def refuse_unfinished_batches(plan: RescorePlan, batches: Batches) -> None:
    """Raises RescoreError."""
    for query_id, batch_id in batches:
        if batch_id > plan.finished.get(query_id, -1):
            raise RescoreError(unfinished_batch(query_id, batch_id))


def rows_chunks(pipeline: Pipeline, plan: RescorePlan, chunk_rows: int) -> tuple[Chunk, ...]:
    """Whole batches, in the order in which they were scored; all rows of a batch have the same scored_at."""
    batches = sorted(
        window_batches(pipeline, plan), key=lambda batch: (batch.scored_at, batch.query_id, batch.batch_id)
    )
    refuse_unfinished_batches(plan, [(batch.query_id, batch.batch_id) for batch in batches])
    return tuple(
        Chunk(rows=sum(batch.rows for batch in part), batches=tuple(part)) for part in parts_of(batches, chunk_rows)
    )


def parts_of(batches: Iterable[PlannedBatch], chunk_rows: int) -> Iterator[list[PlannedBatch]]:
    part, rows = list[PlannedBatch](), 0
    for batch in batches:
        if part and rows + batch.rows > chunk_rows:
            yield part
            part, rows = [], 0
        part.append(batch)
        rows += batch.rows
    if part:
        yield part


def window_batches(pipeline: Pipeline, plan: RescorePlan) -> list[PlannedBatch]:
    """The batches whose rows were first scored in the window, and before the plan. What a rescore has put in place of
    others has its time, and counts at that of the others."""
    begin, end = plan.request.begin, min(plan.request.end, plan.planned_at)
    earlier = replacements(pipeline)
    first_scored = {
        (batch.query_id, batch.batch_id): batch.scored_at
        for before in earlier
        for chunk in before.chunks
        for batch in chunk.batches
    }
    # Only where one of the window was replaced do rows of other times count.
    moved = [F.lit(before.planned_at) for before in earlier if has_batch_between(before, begin, end)]
    table = table_at(pipeline.spark, pipeline.config.table_path("predictions"), plan.source_version)
    is_inside = is_between("scored_at", begin, end)
    found = (
        table.where(is_inside | F.col("scored_at").isin(moved) if moved else is_inside)
        .groupBy("query_id", "batch_id")
        .agg(F.count("*").alias("rows"), F.unix_micros(F.min("scored_at")).alias("micros"))
        .collect()
    )
    batches = [as_batch(row, first_scored) for row in found]
    return [batch for batch in batches if begin <= batch.scored_at < end]


def has_batch_between(plan: RescorePlan, begin: datetime, end: datetime) -> bool:
    return any(begin <= batch.scored_at < end for chunk in plan.chunks for batch in chunk.batches)


def as_batch(row: Row, first_scored: dict[tuple[str, int], datetime]) -> PlannedBatch:
    batch = (row["query_id"], row["batch_id"])
    scored_at = first_scored.get(batch) or moment_of(row["micros"])
    return PlannedBatch(query_id=batch[0], batch_id=batch[1], rows=row["rows"], scored_at=scored_at)


def replacements(pipeline: Pipeline) -> list[RescorePlan]:
    """The plans of earlier rescores that have put their answers in place of others. Raises PlanError."""
    config, storage = pipeline.config, pipeline.storage
    plans = [read_rescore(config, storage, number) for number in rescore_numbers(config, storage)]
    return [plan for plan in plans if plan is not None and plan.replaces]


def series_chunks(pipeline: Pipeline, plan: RescorePlan, chunk_rows: int) -> tuple[Chunk, ...]:
    """Ranges of cutoffs, each ended by the cutoff that fills it."""
    request = plan.request
    window = observations_at(pipeline, plan).where(
        is_between("ds", request.begin, request.end) & is_in_use() & is_asked()
    )
    unfinished = F.when(~up_to(plan.finished), F.struct("query_id", "batch_id"))
    counts = window.groupBy("ds").agg(F.count("*").alias("rows"), F.min(unfinished).alias("unfinished"))
    before = F.sum("rows").over(Window.orderBy("ds").rowsBetween(Window.unboundedPreceding, -1))
    part = F.floor(F.coalesce(before, F.lit(0)) / chunk_rows)
    found = (
        counts.withColumn("part", part)
        .groupBy("part")
        .agg(
            F.unix_micros(F.min("ds")).alias("micros"),
            F.sum("rows").alias("rows"),
            F.min("unfinished").alias("unfinished"),
        )
        .orderBy("part")
        .collect()
    )
    refuse_unfinished_batches(plan, [row["unfinished"] for row in found if row["unfinished"] is not None])
    begins = [moment_of(row["micros"]) for row in found]
    ends = [*begins[1:], request.end]
    return tuple(
        Chunk(rows=row["rows"], begin=begin, end=end) for row, begin, end in zip(found, begins, ends, strict=False)
    )


def next_rescore_number(pipeline: Pipeline) -> int:
    """One more than any that has a plan, and one that no table has seen: Delta drops the rows of one that it has."""
    config = pipeline.config
    number = max(rescore_numbers(config, pipeline.storage), default=-1) + 1
    while is_known(config, number):
        number += 1
    return number


def is_known(config: PipelineConfig, number: int) -> bool:
    application = rescore_transaction(config.pipeline, number, 0).application
    tables = (*answer_tables(config), *replaced_tables(config))
    return any(last_transaction(config, name, application) is not None for name in tables)
