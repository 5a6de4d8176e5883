"""The state of each file, from the inbox, the stream's file log and the ledger."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from penstock.config.pipeline import PipelineConfig
from penstock.errors import LedgerError
from penstock.operations.reconcile.ledger_rows import Batch, Entry, Marker, RowCounts
from penstock.pipeline.replay.plans import REPLAY_QUERY, done_path, replay_numbers
from penstock.sources.checkpoint import Logged, batch_numbers, log_offset, query_id_of, whole_log
from penstock.sources.listing import is_input
from penstock.storage.files import FileStatus, Storage


class State(StrEnum):
    SCORED = "scored"
    REFUSED = "refused"
    PENDING = "pending"
    NO_LONGER_THERE = "no longer there"
    CHANGED = "changed"
    LOST = "lost"
    VANISHED = "vanished"
    TOO_OLD = "too old"
    EXPIRED = "expired"


@dataclass(frozen=True, kw_only=True)
class Stream:
    """The checkpoint's state. query_id: null if it is new. log: all files seen that are input.

    committed: the last batch in Spark's commit log, -1 if none. forgotten_before: files with an earlier modification
    time are dropped from the stream's memory and ignored when new. replays_done: by number.
    """

    query_id: str | None
    committed: int
    log: dict[str, Logged]
    forgotten_before: float
    replays_done: frozenset[int] = frozenset()


def read_stream(storage: Storage, config: PipelineConfig) -> Stream:
    """Read before inbox and ledger, so that all its finished batches must be in the ledger. Raises PlanError."""
    committed = batch_numbers(storage, f"{config.checkpoint}/commits")
    log = whole_log(storage, config.checkpoint)
    newest = max((logged.modified_milliseconds for logged in log.values()), default=0)
    return Stream(
        query_id=query_id_of(storage, config.checkpoint),
        committed=max(committed, default=-1),
        log={path: logged for path, logged in log.items() if is_input(path, config.source.path)},
        forgotten_before=newest - 1000 * config.source.max_file_age,
        replays_done=frozenset(
            number for number in replay_numbers(config, storage) if storage.status(done_path(config, number))
        ),
    )


def read_unfinished_replays(storage: Storage, config: PipelineConfig, stream: Stream) -> frozenset[int]:
    """Replays not done when `stream` was read. Read after the tables, since a replay is planned before it writes."""
    return frozenset(replay_numbers(config, storage)) - stream.replays_done


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far the batches are. finished: the last finished one of the checkpoint's query; planned: the last begun.

    offset: the finished batches' last offset in the file log.
    """

    query_id: str | None
    finished: int
    planned: int
    offset: int
    unfinished_replays: frozenset[int]

    def is_unfinished(self, batch: Batch) -> bool:
        """Whether a batch without a marker will be resumed at the next start."""
        if batch.query_id == REPLAY_QUERY:
            return batch.batch_id in self.unfinished_replays
        return batch.query_id == self.query_id and self.finished < batch.batch_id <= self.planned


def read_progress(
    storage: Storage,
    config: PipelineConfig,
    stream: Stream,
    row_counts: RowCounts,
    *,
    unfinished_replays: frozenset[int],
) -> Progress:
    """Read after the tables, since every batch with rows in them is planned by then.

    Raises PlanError; LedgerError if the checkpoint is no longer the one that `stream` was read from.
    """
    query_id = query_id_of(storage, config.checkpoint)
    if stream.query_id not in (None, query_id):
        raise LedgerError(
            f"the checkpoint {config.checkpoint} was of query {stream.query_id} when this began and is now of "
            f"{query_id}: it was replaced meanwhile; run this again"
        )
    finished = max(row_counts.last(query_id), stream.committed)
    offset = log_offset(storage, config.checkpoint, finished) if finished >= 0 else -1
    if offset is None:
        # The ledger is ahead of the checkpoint, so that is an older copy: all files in its log are done.
        offset = max((logged.offset for logged in stream.log.values()), default=-1)
    return Progress(
        query_id=query_id,
        finished=finished,
        planned=max(batch_numbers(storage, f"{config.checkpoint}/offsets"), default=-1),
        offset=offset,
        unfinished_replays=unfinished_replays,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Delivery:
    """A file as a batch processed it: its status then, and its rows; null if the batch refused it."""

    batch: Batch
    status: FileStatus | None
    rows: int | None
    finished_milliseconds: int


def deliveries(row_counts: RowCounts) -> dict[str, list[Delivery]]:
    """By path, in batch order. A replay counts as a delivery of the refused files that it read again."""
    refused = {(tally.batch, tally.path) for tally in row_counts.tallies if tally.refused}
    found: defaultdict[str, list[Delivery]] = defaultdict(list)
    for marker in row_counts.markers:
        for entry in marker.entries:
            is_refused = (marker.batch, entry.path) in refused
            if marker.batch.query_id == REPLAY_QUERY:
                delivery = replayed(marker, entry, row_counts, found[entry.path], is_refused=is_refused)
            else:
                # A file processed by an earlier query has neither status nor rows, and no refusal.
                is_delivery = entry.status is not None or entry.rows is not None or is_refused
                delivery = delivered(marker, entry.status, entry.rows) if is_delivery else None
            if delivery:
                found[entry.path].append(delivery)
    return found


def delivered(marker: Marker, status: FileStatus | None, rows: int | None) -> Delivery:
    return Delivery(batch=marker.batch, status=status, rows=rows, finished_milliseconds=marker.finished_milliseconds)


def replayed(
    marker: Marker, entry: Entry, row_counts: RowCounts, before: list[Delivery], *, is_refused: bool
) -> Delivery | None:
    """The delivery of a whole file by a replay; None if only single rows of it were replayed."""
    key = (marker.batch.batch_id, entry.path)
    if not row_counts.replayed_files.get(key):
        return None
    status = entry.status or (before[-1].status if before else None)
    # Rows quarantined individually are counted with the batch that quarantined them.
    rows = (entry.rows or 0) - row_counts.replayed_rows.get(key, 0)
    return delivered(marker, status, None if is_refused or entry.rows is None else rows)


@dataclass(frozen=True, kw_only=True)
class Classification:
    """A file's state. delivery: the matching one, or (changed, no longer there) the last one."""

    state: State
    delivery: Delivery | None = None


@dataclass(frozen=True, kw_only=True)
class FileClassifier:
    """Determines the state of each file. expired_milliseconds: older files may be missing in the ledger."""

    stream: Stream
    progress: Progress
    expired_milliseconds: int | None = None

    def classify(self, path: str, status: FileStatus | None, delivered: Iterable[Delivery]) -> Classification:
        """status: in the inbox, None if not there."""
        known = list(delivered)
        for delivery in reversed(known):
            if status is not None and delivery.status == status:
                return Classification(state=State.REFUSED if delivery.rows is None else State.SCORED, delivery=delivery)
        last = known[-1] if known else None
        return Classification(state=self._unmatched(self.stream.log.get(path), status, last), delivery=last)

    def _unmatched(self, logged: Logged | None, status: FileStatus | None, last: Delivery | None) -> State:
        is_taken = logged is not None and logged.offset <= self.progress.offset
        if logged is not None and is_taken and last is None:
            return State.EXPIRED if self._has_expired(logged) else State.LOST
        if status is None:
            return self._absent(logged, last, is_taken=is_taken)
        is_forgotten = logged is not None and logged.modified_milliseconds < self.stream.forgotten_before
        if logged is not None and is_taken and not is_forgotten:
            return State.CHANGED
        is_too_old = status.modified_milliseconds < self.stream.forgotten_before and (logged is None or is_taken)
        return State.TOO_OLD if is_too_old else State.PENDING

    def _absent(self, logged: Logged | None, last: Delivery | None, *, is_taken: bool) -> State:
        if logged is None or is_taken:
            return State.NO_LONGER_THERE
        # After a resume the file log also lists files that an earlier query has processed.
        before = last.status if last else None
        is_done = before is not None and before.modified_milliseconds == logged.modified_milliseconds
        return State.NO_LONGER_THERE if is_done else State.VANISHED

    def _has_expired(self, logged: Logged) -> bool:
        return self.expired_milliseconds is not None and logged.modified_milliseconds <= self.expired_milliseconds
