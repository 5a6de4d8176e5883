"""A replay that was cut off so long ago that the versions its plan names can't be read any more.

Nothing of it can be repeated. What it has written is rolled back; or, of late observations, recomputed from the tables
as they are: their replacement gives the same, however much of it is there already; or, with its marker, marked in the
quarantine as it is now.
"""

import logging
from collections.abc import Iterator
from typing import cast

from penstock.pipeline.context import Pipeline
from penstock.pipeline.plan import LateReplay, Plan, QuarantineReplay
from penstock.pipeline.replay.plans import REPLAY_QUERY
from penstock.schemas.catalog import table_names
from penstock.series.lags import rebuild_lags
from penstock.spark.tables import commit_nothing, table_version
from penstock.spark.versions import is_readable

log = logging.getLogger(__name__)


def pinned_versions(plan: Plan) -> Iterator[tuple[str, int]]:
    """The tables that a replay reads as they were, and at which version."""
    match plan.replay:
        case QuarantineReplay(quarantine_version=version):
            yield "quarantine", version
            if plan.lags_version is not None:
                yield "lags", plan.lags_version
        case LateReplay(observations_version=version):
            yield "observations", version


def can_be_repeated(pipeline: Pipeline, plan: Plan) -> bool:
    """Whether every version that the plan names is there with all its files, and the exogenous values too."""
    are_there = all(
        is_readable(pipeline.spark, pipeline.storage, pipeline.config.table_path(table), version)
        for table, version in pinned_versions(plan)
    )
    return are_there and not pipeline.exogenous.are_lost(plan)


def has_marker(pipeline: Pipeline, plan: Plan) -> bool:
    return plan.batch_id <= pipeline.done.get(REPLAY_QUERY, -1)


def with_newest_versions(pipeline: Pipeline, plan: Plan) -> Plan:
    """The plan of a replay of the quarantine that has its marker, to mark the rows that it took.

    They are found again in the newest version: the stream waits for the end of a replay, so that no other row has come,
    and the replay's own new rows are not marked. What it writes is dropped, for it is there.
    """
    newest = {
        name: table_version(pipeline.spark, pipeline.config.table_path(name)) for name, _ in pinned_versions(plan)
    }
    replay = cast(QuarantineReplay, plan.replay).model_copy(update={"quarantine_version": newest["quarantine"]})
    return plan.model_copy(update={"replay": replay, "lags_version": newest.get("lags"), "exogenous": None})


def discard_late_replay(pipeline: Pipeline, plan: Plan) -> None:
    """Drop what a paused process of it still sends, and make `lags` what the observations say. May be run again.

    Its forecasts may be replaced and its observations not: it has to be planned again before the stream continues.
    """
    transaction = plan.transaction(pipeline.config.pipeline)
    for name in table_names(pipeline.config.workload):
        if name == "batches":
            continue  # its marker is still to be written where nothing is left to compute
        pipeline.lease.check()
        commit_nothing(pipeline.spark, pipeline.config.table_path(name), transaction)
    rebuild_lags(pipeline.spark, pipeline.config)
    log.warning(
        "%s can't be finished, as versions that its plan names can't be read any more; it is planned again",
        plan.described,
    )
