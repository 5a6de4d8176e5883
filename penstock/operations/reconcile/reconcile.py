"""Verifies that inbox = scored + quarantined + pending, file by file and row by row, or lists the differences.

It is read-only, acquires no lease, and may run beside the stream: checkpoint and inbox are read before the ledger, the
ledger before the tables, so that a batch that finishes meanwhile does not look like a difference.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from pyspark.sql import SparkSession

from penstock.config.pipeline import PipelineConfig
from penstock.errors import LeaseError
from penstock.operations.maintenance.retention import complete_since
from penstock.operations.reconcile.balance import Balance, File, Total, balance_of, totals_by_state
from penstock.operations.reconcile.differences import difference_of_state, miscounted, taken_twice, unaccounted
from penstock.operations.reconcile.files import (
    Delivery,
    FileClassifier,
    Progress,
    State,
    deliveries,
    read_progress,
    read_stream,
    read_unfinished_replays,
)
from penstock.operations.reconcile.forecasts import compare_forecasts
from penstock.operations.reconcile.inbox import count_rows, inbox_of, list_inbox
from penstock.operations.reconcile.ledger_parts import read_ledger
from penstock.operations.reconcile.ledger_rows import RowCounts, pinned_tables
from penstock.operations.reconcile.moved_inbox import (
    at_todays_paths,
    known_elsewhere,
    read_moves,
    without_earlier_paths,
)
from penstock.operations.reconcile.spool import BUCKETS, Spool, opened_spool
from penstock.operations.reconcile.tables import Difference, TableComparison
from penstock.pipeline.inbox_place import known_place
from penstock.pipeline.lease import Holder, lease_path, read_holder
from penstock.pipeline.workload import workload_of
from penstock.schemas.catalog import table_names
from penstock.storage.files import FileStatus, Storage
from penstock.storage.routing import storage_of

LONGEST_BATCH = timedelta(days=1)


@dataclass(frozen=True, kw_only=True)
class Reconciliation:
    """The result. notes: context for the reader, such as an active writer."""

    config: PipelineConfig
    looked_at: datetime
    totals: Mapping[State, Total]
    balance: Balance
    differences: tuple[Difference, ...]
    notes: tuple[str, ...]


def reconcile(
    spark: SparkSession, config: PipelineConfig, *, count: bool = True, since: datetime | None = None
) -> Reconciliation:
    """Compare inbox, checkpoint, ledger and tables. Raises PlanError, EnvironmentCheckError.

    count: also count the rows of the files in the inbox. since: leave out batches finished by then, because
    retention may have deleted some of it.
    """
    place = known_place(config, storage_of(config))
    former = place.former if place else ()
    with opened_spool(inboxes=(config.source.path, *former)) as spool:
        return reconcile_in_parts(spark, config, spool, count=count, since=since)


def reconcile_in_parts(
    spark: SparkSession, config: PipelineConfig, spool: Spool, *, count: bool, since: datetime | None
) -> Reconciliation:
    """All facts are read into the spool, and compared some files at a time."""
    since_milliseconds = int(since.timestamp() * 1000) if since else None
    storage, scored_table = storage_of(config), workload_of(config).rows_table
    looked_at, stream = datetime.now(UTC), read_stream(storage, config, spool)
    list_inbox(storage, config.source, spool)
    tables = pinned_tables(spark, config, ("batches", "quarantine", scored_table, "forecasts"))
    unfinished = read_unfinished_replays(storage, config, stream)
    ledger = read_ledger(tables, config, spool, unfinished_replays=unfinished)
    progress = read_progress(storage, config, stream, ledger, unfinished_replays=unfinished)
    counted = {}
    if count:
        counted = count_rows(spark, storage, config.source, inbox_of(spool, range(BUCKETS)))

    totals, balance, of_files = dict.fromkeys(State, Total()), Balance(), list[Difference]()
    comparison = TableComparison(
        scored_table=scored_table, is_unfinished=progress.is_unfinished, since_milliseconds=since_milliseconds
    )
    for part in spool.parts():
        row_counts, inbox = ledger.part(part), inbox_of(spool, part)
        moves = read_moves(spool.inboxes, row_counts)
        row_counts = known_elsewhere(row_counts, moves)
        log = without_earlier_paths(stream.part(spool, part, inbox=config.source.path), moves)
        classifier = FileClassifier(stream=log, progress=progress, expired_milliseconds=since_milliseconds)
        known = at_todays_paths(deliveries(row_counts), moves, inbox)
        classified = classify_files(classifier, inbox, known, storage)
        files = [with_count(file, counted) for file in classified.values()]
        of_files += [difference for file in files for difference in differences_of(file, row_counts)]
        totals = {state: total + totals[state] for state, total in totals_by_state(files).items()}
        balance += balance_of(files, row_counts, since_milliseconds=since_milliseconds)
        comparison.add(row_counts)
    differences = sorted(of_files, key=lambda difference: difference.subject)
    differences += comparison.differences(ledger.markers, ledger.doubled)
    if {"forecasts", "observations"} <= tables.keys() and not progress.unfinished_replays:
        differences += compare_forecasts(
            tables,
            ledger.finished,
            is_unfinished=progress.is_unfinished,
            is_trimmed=bool(since),
            revisions=config.the_series.revisions,
        )
    if balance.unaccounted and not differences:
        differences.append(unaccounted(balance.unaccounted))
    return Reconciliation(
        config=config,
        looked_at=looked_at,
        totals=totals,
        balance=balance,
        differences=tuple(differences),
        notes=tuple(notes(config, storage, progress, tables, count=count)),
    )


def with_count(file: File, counted: Mapping[str, int]) -> File:
    is_counted = file.path in counted and file.state is not State.REFUSED
    return replace(file, counted=counted[file.path]) if is_counted else file


def complete_everywhere_since(config: PipelineConfig, now: datetime) -> datetime | None:
    """The time from which finished batches have all their rows in all tables; None: from the beginning.

    Retention applies to the time a batch was planned; the margin is a bound for how long a batch takes.
    """
    moments = [complete_since(config, name, now) for name in table_names(config.workload)]
    known = [moment for moment in moments if moment is not None]
    return max(known) + LONGEST_BATCH if known else None


def classify_files(
    classifier: FileClassifier, inbox: Mapping[str, FileStatus], known: Mapping[str, list[Delivery]], storage: Storage
) -> dict[str, File]:
    """Every file of inbox, file log or ledger, by path."""
    files = {}
    for path in sorted({*inbox, *known, *classifier.stream.log}):
        status, delivered = inbox.get(path), known.get(path, [])
        classification = classifier.classify(path, status, delivered)
        if classification.state is State.CHANGED:
            # It may have been listed while being written, and processed by the stream after that.
            status = storage.status(path)
            classification = classifier.classify(path, status, delivered)
        files[path] = File(path=path, status=status, classification=classification, deliveries=tuple(delivered))
    return files


def differences_of(file: File, row_counts: RowCounts) -> Iterator[Difference]:
    bad = difference_of_state(file, has_rows=file.path in row_counts.unmarked_paths)
    if bad:
        yield bad
    doubled = taken_twice(file)
    if doubled:
        yield doubled
    delivery = file.classification.delivery
    if file.state is State.SCORED and delivery and file.counted not in (None, delivery.rows):
        yield miscounted(file, delivery)


def notes(
    config: PipelineConfig, storage: Storage, progress: Progress, tables: Collection[str], *, count: bool
) -> Iterator[str]:
    if "batches" not in tables:
        yield f"there are no tables in {config.tables.root} yet"
    yield writer(config, storage)
    if progress.planned > progress.finished:
        yield f"batch {progress.planned} is planned and not finished; its files are pending"
    if progress.unfinished_replays:
        yield (
            f"replay {max(progress.unfinished_replays)} is not finished: unless one runs now, run "
            "jobs/replay_quarantine.py again; forecasts were not compared"
        )
    if not count:
        yield "rows of the inbox were not counted (--no-count); they are taken from the ledger"


def writer(config: PipelineConfig, storage: Storage) -> str:
    try:
        holder = read_holder(storage, lease_path(config.tables.root))
    except LeaseError as error:
        return str(error)
    me = Holder.this_process("reconcile")
    if holder and holder.is_alive(now=me.since, seen_from=me):
        return f"running beside {holder}"
    return "no writer is running"
