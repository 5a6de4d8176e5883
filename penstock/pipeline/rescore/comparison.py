"""What a finished rescore came to, against the answers that it was planned over."""

from datetime import UTC, datetime

from penstock.pipeline.context import Pipeline
from penstock.pipeline.rescore.plans import (
    ChunkRecord,
    RescorePlan,
    RescoreRecord,
    read_chunk,
)


def record_rescore(pipeline: Pipeline, plan: RescorePlan) -> RescoreRecord:
    found = sum_of_chunks(pipeline, plan)
    mean = found.change / found.changes if found.change is not None and found.changes else None
    return RescoreRecord(
        number=plan.number,
        purpose=plan.request.purpose,
        model_name=plan.model.name,
        model_version=plan.model.version,
        begin=plan.request.begin,
        end=plan.request.end,
        finished_at=datetime.now(UTC),
        rows=found.rows,
        answers=found.answers,
        changed=found.changed,
        mean_absolute_change=mean,
        failed_before=found.failed_before,
        failed_after=found.failed_after,
    )


def sum_of_chunks(pipeline: Pipeline, plan: RescorePlan) -> ChunkRecord:
    records = [chunk_record(pipeline, plan, number) for number in range(len(plan.chunks))]
    changes = [record.change for record in records if record.change is not None]
    return ChunkRecord(
        rows=sum(record.rows for record in records),
        answers=sum(record.answers for record in records),
        changed=sum(record.changed for record in records),
        changes=sum(record.changes for record in records),
        change=sum(changes) if changes else None,
        failed_before=sum(record.failed_before for record in records),
        failed_after=sum(record.failed_after for record in records),
    )


def chunk_record(pipeline: Pipeline, plan: RescorePlan, number: int) -> ChunkRecord:
    found = read_chunk(pipeline.config, pipeline.storage, plan.number, number)
    # Only somebody who tidied up by hand has removed it; the answers do not depend on it.
    return found or ChunkRecord(rows=plan.chunks[number].rows)
