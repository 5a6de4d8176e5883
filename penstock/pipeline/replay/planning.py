"""What a replay will do, fixed before it does anything; or nothing, where a replay would change nothing."""

from collections.abc import Callable, Sequence

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from penstock.pipeline.attempts import Attempt
from penstock.pipeline.context import Pipeline
from penstock.pipeline.ledger import ledger_files
from penstock.pipeline.model_choice import ModelChoice, choose_models
from penstock.pipeline.plan import LateReplay, Plan, QuarantineReplay, newest_plan
from penstock.pipeline.planning import admitted_files, new_plan, readable_files, tried_files
from penstock.pipeline.replay.late_observations import unused_observations, windows_again
from penstock.pipeline.replay.lost_plans import next_replay_number
from penstock.pipeline.replay.plans import REPLAY_QUERY
from penstock.pipeline.replay.quarantine import replayed_rows
from penstock.pipeline.replay.quarantine_rows import waiting_rows
from penstock.pipeline.workload import workload_of
from penstock.sources.checkpoint import Arrival
from penstock.sources.deadly_files import deadly_reason
from penstock.sources.files import PlannedFile
from penstock.spark.tables import lasting_version
from penstock.storage.statuses import statuses


def plan_quarantine_replay(pipeline: Pipeline, *, reason: str, attempt: Attempt) -> Plan | None:
    """The plan of a replay of all that waits in the quarantine; None if nothing of it would be judged otherwise."""
    version = lasting_version(pipeline.spark, pipeline.config.table_path("quarantine"))
    replay = QuarantineReplay(quarantine_version=version, reason=reason)
    files = files_again(pipeline, waiting_rows(pipeline.spark, pipeline.config, replay), attempt)
    read = [file for file in files if file.verdict == "accepted"]
    with replayed_rows(pipeline, read, replay) as rows:
        sources = rows.settled.select("source_file").distinct().collect()
        from_rows = sorted({row["source_file"] for row in sources} - {file.path for file in files})
        files += [PlannedFile(path=path, verdict="replayed") for path in from_rows]
        if not files:
            return None
        choice = choose(
            pipeline, lambda: workload_of(pipeline.config).model_rows(pipeline, rows.accepted, files), attempt
        )
    return next_replay(pipeline, files, choice, replay)


def plan_late_replay(pipeline: Pipeline, *, attempt: Attempt | None = None) -> Plan | None:
    """The plan of a recomputation; None if there are neither late observations nor revisions."""
    version = lasting_version(pipeline.spark, pipeline.config.table_path("observations"))
    replay = LateReplay(observations_version=version)
    if unused_observations(pipeline.spark, pipeline.config, replay).isEmpty():
        return None
    choice = choose(pipeline, lambda: windows_again(pipeline, replay), attempt)
    return next_replay(pipeline, [], choice, replay)


def next_replay(
    pipeline: Pipeline, files: Sequence[PlannedFile], choice: ModelChoice | None, replay: QuarantineReplay | LateReplay
) -> Plan:
    number = next_replay_number(pipeline)
    return new_plan(pipeline, query_id=REPLAY_QUERY, batch_id=number, files=files, choice=choice, replay=replay)


def files_again(pipeline: Pipeline, waiting: DataFrame, attempt: Attempt) -> list[PlannedFile]:
    """The refused files that are judged otherwise now: accepted, or refused for other reasons.

    One that was scored meanwhile, under the same path, is left alone.
    """
    refused = waiting.where(F.col("stage") == "file").select("source_file", "reasons").distinct().collect()
    reasons = {(row["source_file"], tuple(row["reasons"])) for row in refused}
    asked = sorted(path for path in {path for path, _ in reasons} if not has_moved(pipeline, path))
    paths = sorted(set(asked) - scored_files(pipeline, asked))
    found = zip(paths, statuses(pipeline.storage, paths), strict=True)
    arrived = [
        Arrival(path=path, modified_milliseconds=0)
        for path, status in found
        # One that the process ended in is not even opened.
        if status is None or (path, (deadly_reason(status),)) not in reasons
    ]
    admitted = admitted_files(pipeline, arrived, attempt)
    if attempt.is_suspicious:
        admitted = tried_files(pipeline, admitted, attempt)
    admitted = readable_files(pipeline, admitted) or admitted
    return [file for file in admitted if file.verdict == "accepted" or (file.path, file.reasons) not in reasons]


def has_moved(pipeline: Pipeline, path: str) -> bool:
    """Whether a file was refused at an earlier place of the inbox and is gone from there: it is judged where it is."""
    is_below = path.startswith(tuple(f"{former}/" for former in pipeline.former_inboxes))
    return is_below and pipeline.storage.status(path) is None


def scored_files(pipeline: Pipeline, asked: Sequence[str]) -> set[str]:
    """Those of these paths whose rows are in the tables."""
    if not asked:
        return set()
    read = ledger_files(pipeline.spark, pipeline.config).where(F.col("rows").isNotNull() & F.col("path").isin(*asked))
    return {row["path"] for row in read.select("path").distinct().collect()}


def choose(pipeline: Pipeline, probe_rows: Callable[[], DataFrame], attempt: Attempt | None) -> ModelChoice | None:
    """The versions for the replay, as the stream's next batch would have them; None in a pipeline without a model.

    Where runs of it have ended their process, the champion alone.
    """
    before = newest_plan(pipeline.storage, pipeline.config.checkpoint)
    is_alone = attempt is not None and attempt.is_unexplained
    return choose_models(pipeline, before=before, probe_rows=probe_rows, is_alone=is_alone)
