"""Compares the ledger with the tables: row counts of each batch, file by file."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace

from penstock.operations.reconcile.ledger_rows import Batch, Entry, Marker, RowCounts, Tally
from penstock.pipeline.replay.plans import REPLAY_QUERY


@dataclass(frozen=True, kw_only=True)
class Difference:
    """kind: a word or two. subject: file, batch or table. found: and what was expected. remedy: what to do."""

    kind: str
    subject: str
    found: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.subject}: {self.found}; {self.remedy}"


PUT_BACK = "find the commit that took them (DESCRIBE HISTORY) and put them back (docs/operations.md)"
TAKE_OUT = "find the commit that put them there (DESCRIBE HISTORY) and delete the copies (docs/operations.md)"
MARKER_BACK = (
    "put the marker back into batches from an earlier version of it (docs/operations.md), or delete these rows"
)


def compare_with_tables(
    row_counts: RowCounts,
    *,
    scored_table: str,
    is_unfinished: Callable[[Batch], bool],
    since_milliseconds: int | None = None,
) -> list[Difference]:
    """Every difference between `batches` and the tables.

    is_unfinished: batches that may have rows without a marker. since_milliseconds: batches finished by then, and rows
    without a marker created by then, are left out, since retention may have deleted some of them.
    """
    held = totals_by_file(row_counts.tallies)
    differences = doubled_markers(row_counts)
    for marker in row_counts.markers:
        if since_milliseconds is None or marker.finished_milliseconds > since_milliseconds:
            differences += compare_batch(marker, held.get(marker.batch, {}), row_counts, scored_table=scored_table)
    differences += left_behind(row_counts, is_unfinished=is_unfinished, since_milliseconds=since_milliseconds)
    return differences + compare_replays(
        row_counts,
        is_unfinished=is_unfinished,
        is_trimmed=since_milliseconds is not None,
        without={difference.subject for difference in differences},
    )


def totals_by_file(tallies: Iterable[Tally]) -> dict[Batch, dict[str, Tally]]:
    """One tally for each file of a batch, replayed quarantine rows included."""
    held: defaultdict[Batch, dict[str, Tally]] = defaultdict(dict)
    for tally in tallies:
        before = held[tally.batch].get(tally.path)
        held[tally.batch][tally.path] = tally if before is None else added(before, tally)
    return held


def added(one: Tally, other: Tally) -> Tally:
    return replace(
        one,
        replayed_in=None,
        accepted=one.accepted + other.accepted,
        quarantined=one.quarantined + other.quarantined,
        refused=one.refused + other.refused,
        made_milliseconds=max(one.made_milliseconds, other.made_milliseconds),
    )


def doubled_markers(row_counts: RowCounts) -> list[Difference]:
    return [
        Difference(
            kind="doubled marker",
            subject=str(batch),
            found=f"has {count} rows in batches, expected 1",
            remedy="find the commit that put them there (DESCRIBE HISTORY) and delete all but one",
        )
        for batch, count in row_counts.doubled.items()
    ]


def compare_batch(
    marker: Marker, held: dict[str, Tally], row_counts: RowCounts, *, scored_table: str
) -> list[Difference]:
    """File by file; if the files agree, the batch's totals too."""
    entries = {entry.path: entry for entry in marker.entries}
    differences = []
    for path in sorted(entries.keys() | held.keys()):
        tally = held.get(path, Tally(batch=marker.batch, path=path))
        differences += compare_file(entries.get(path), tally, row_counts)
    where = deviating_tables(marker, held.values(), scored_table=scored_table)
    if where and not differences:
        return [
            Difference(
                kind="totals",
                subject=str(marker.batch),
                found=f"its files agree with the ledger, its totals do not: {where}",
                remedy="rows were moved from one table to the other, or the ledger was edited: see DESCRIBE HISTORY",
            )
        ]
    if where and len(differences) == 1:
        return [replace(differences[0], found=f"{differences[0].found}: {where}")]
    return differences


def deviating_tables(marker: Marker, tallies: Iterable[Tally], *, scored_table: str) -> str:
    """The tables with more or fewer rows of a batch than its marker says; empty if none."""
    held = list(tallies)
    surplus = {
        scored_table: sum(tally.accepted for tally in held) - marker.accepted,
        "quarantine": sum(tally.quarantined for tally in held) - marker.quarantined,
        "quarantine (refused files)": sum(tally.refused for tally in held) - marker.files_refused,
    }
    return ", ".join(
        f"{abs(number):,} too {'many' if number > 0 else 'few'} in {table}"
        for table, number in surplus.items()
        if number
    )


def compare_file(entry: Entry | None, tally: Tally, row_counts: RowCounts) -> list[Difference]:
    rows = (entry.rows if entry else None) or 0
    differences = []
    if rows != tally.rows:
        said = f"the ledger says {rows:,} rows" if entry else "the ledger does not list it in this batch"
        differences.append(
            Difference(
                kind="missing rows" if tally.rows < rows else "surplus rows",
                subject=tally.path,
                found=f"{said}, the tables hold {tally.rows:,} ({tally.accepted:,} accepted, {tally.quarantined:,} "
                f"quarantined) of {tally.batch}",
                remedy=PUT_BACK if tally.rows < rows else TAKE_OUT,
            )
        )
    least, most = refusals_expected(entry, tally, row_counts)
    if not least <= tally.refused <= most:
        differences.append(
            Difference(
                kind="missing refusal" if tally.refused < least else "surplus refusal",
                subject=tally.path,
                found=f"{tally.refused} quarantine rows say why {tally.batch} refused it, expected {least}",
                remedy=PUT_BACK if tally.refused < least else TAKE_OUT,
            )
        )
    return differences


def refusals_expected(entry: Entry | None, tally: Tally, row_counts: RowCounts) -> tuple[int, int]:
    """Minimum and maximum of rows with stage `file`: one for a refused file, none for one that was read."""
    if entry is None or entry.rows is not None:
        return 0, 0
    if tally.batch.query_id == REPLAY_QUERY:
        return 0, 1
    if entry.status is not None:
        return 1, 1
    # Without a status it was processed by an earlier query, or had vanished before admission, which is a refusal.
    is_known = row_counts.queries[tally.path] != {tally.batch.query_id}
    return (0, 1) if is_known else (1, 1)


def left_behind(
    row_counts: RowCounts, *, is_unfinished: Callable[[Batch], bool], since_milliseconds: int | None
) -> list[Difference]:
    """Orphaned rows: of batches without a marker that will never have one."""
    found: defaultdict[Batch, list[Tally]] = defaultdict(list)
    for tally in row_counts.tallies:
        is_recent = since_milliseconds is None or tally.made_milliseconds > since_milliseconds
        if is_recent and tally.batch not in row_counts.finished and not is_unfinished(tally.batch):
            found[tally.batch].append(tally)
    return [
        Difference(
            kind="left behind",
            subject=str(batch),
            found=f"has {sum(tally.rows for tally in tallies):,} rows and {sum(tally.refused for tally in tallies)} "
            f"refused files of {len({tally.path for tally in tallies})} files in the tables, and no marker in batches",
            remedy=MARKER_BACK,
        )
        for batch, tallies in sorted(found.items())
    ]


def compare_replays(
    row_counts: RowCounts, *, is_unfinished: Callable[[Batch], bool], is_trimmed: bool, without: Collection[str]
) -> list[Difference]:
    """Each quarantined row that is marked as replayed must be an input row of that replay, and vice versa.

    A refused file that a replay accepted has rows that were not in quarantine. is_trimmed: old quarantine rows may
    have been deleted. without: files that have a difference already.
    """
    given = {
        (marker.batch.batch_id, entry.path): entry.rows or 0
        for marker in row_counts.markers
        if marker.batch.query_id == REPLAY_QUERY
        for entry in marker.entries
    }
    differences = []
    for number, path in sorted(given.keys() | row_counts.replayed_rows.keys()):
        batch, rows = Batch(REPLAY_QUERY, number), given.get((number, path), 0)
        marked = row_counts.replayed_rows.get((number, path), 0)
        may_be_more = is_trimmed or row_counts.replayed_files.get((number, path), 0) > 0
        if path in without or is_unfinished(batch) or marked == rows or (marked < rows and may_be_more):
            continue
        differences.append(
            Difference(
                kind="replay",
                subject=path,
                found=f"{marked:,} quarantined rows are marked as taken up by {batch}, by the ledger it gave {rows:,}"
                + ("" if batch in row_counts.finished else " and is not there"),
                remedy="see DESCRIBE HISTORY of quarantine and batches, and put back what was deleted or changed",
            )
        )
    return differences
