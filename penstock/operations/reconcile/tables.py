"""Compares the ledger with the tables: row counts of each batch, file by file."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace

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
    """Every difference between `batches` and the tables (TableComparison), with all files at once."""
    comparison = TableComparison(
        scored_table=scored_table, is_unfinished=is_unfinished, since_milliseconds=since_milliseconds
    )
    comparison.add(row_counts)
    return comparison.differences(row_counts.markers, row_counts.doubled)


@dataclass
class Surplus:
    """A batch's rows in the tables, over its files so far; `files` is how many have any."""

    accepted: int = 0
    quarantined: int = 0
    refused: int = 0
    files: int = 0

    def add(self, tally: Tally) -> None:
        self.accepted += tally.accepted
        self.quarantined += tally.quarantined
        self.refused += tally.refused
        self.files += 1


@dataclass(kw_only=True)
class TableComparison:
    """Compares `batches` with the tables, part by part: each part has all that there is about its files.

    is_unfinished: batches that may have rows without a marker. since_milliseconds: batches finished by then, and rows
    without a marker created by then, are left out, since retention may have deleted some of them.
    """

    scored_table: str
    is_unfinished: Callable[[Batch], bool]
    since_milliseconds: int | None = None
    held: defaultdict[Batch, Surplus] = field(default_factory=lambda: defaultdict(Surplus))
    of_files: defaultdict[Batch, list[Difference]] = field(default_factory=lambda: defaultdict(list))
    behind: defaultdict[Batch, Surplus] = field(default_factory=lambda: defaultdict(Surplus))
    of_replays: list[tuple[int, Difference]] = field(default_factory=list)

    def add(self, part: RowCounts) -> None:
        held = totals_by_file(part.tallies)
        found: list[Difference] = []
        for marker in part.markers:
            if self.is_recent(marker.finished_milliseconds):
                tallies = held.get(marker.batch, {})
                for tally in tallies.values():
                    self.held[marker.batch].add(tally)
                if differences := compare_files(marker, tallies, part):
                    self.of_files[marker.batch] += differences
                    found += differences
        self.add_left_behind(part)
        self.of_replays += compare_replays(
            part,
            is_unfinished=self.is_unfinished,
            is_trimmed=self.since_milliseconds is not None,
            without={difference.subject for difference in found},
        )

    def add_left_behind(self, part: RowCounts) -> None:
        """Orphaned rows: of batches without a marker that will never have one."""
        recent = [
            tally
            for tally in part.tallies
            if self.is_recent(tally.made_milliseconds)
            and tally.batch not in part.finished
            and not self.is_unfinished(tally.batch)
        ]
        for batch, tallies in totals_by_file(recent).items():
            for tally in tallies.values():
                self.behind[batch].add(tally)

    def is_recent(self, milliseconds: int) -> bool:
        return self.since_milliseconds is None or milliseconds > self.since_milliseconds

    def differences(self, markers: Iterable[Marker], doubled: Mapping[Batch, int]) -> list[Difference]:
        """All that were found. markers: of all batches; their entries are not asked for."""
        found = doubled_markers(doubled)
        for marker in markers:
            if self.is_recent(marker.finished_milliseconds):
                found += self.of_batch(marker)
        found += [left_behind(batch, rows) for batch, rows in sorted(self.behind.items())]
        in_order = sorted(self.of_replays, key=lambda one: (one[0], one[1].subject))
        return found + [difference for _, difference in in_order]

    def of_batch(self, marker: Marker) -> list[Difference]:
        """File by file; if the files agree, the batch's totals too."""
        differences = sorted(self.of_files.get(marker.batch, []), key=lambda one: one.subject)
        where = deviating_tables(marker, self.held.get(marker.batch, Surplus()), scored_table=self.scored_table)
        if where and not differences:
            return [
                Difference(
                    kind="totals",
                    subject=str(marker.batch),
                    found=f"its files agree with the ledger, its totals do not: {where}",
                    remedy="rows were moved from one table to the other, or the ledger was edited: see DESCRIBE "
                    "HISTORY",
                )
            ]
        if where and len(differences) == 1:
            return [replace(differences[0], found=f"{differences[0].found}: {where}")]
        return differences


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


def doubled_markers(doubled: Mapping[Batch, int]) -> list[Difference]:
    return [
        Difference(
            kind="doubled marker",
            subject=str(batch),
            found=f"has {count} rows in batches, expected 1",
            remedy="find the commit that put them there (DESCRIBE HISTORY) and delete all but one",
        )
        for batch, count in doubled.items()
    ]


def compare_files(marker: Marker, held: Mapping[str, Tally], row_counts: RowCounts) -> list[Difference]:
    """The files of a batch in this part."""
    entries = {entry.path: entry for entry in marker.entries}
    differences = []
    for path in sorted(entries.keys() | held.keys()):
        tally = held.get(path, Tally(batch=marker.batch, path=path))
        differences += compare_file(entries.get(path), tally, row_counts)
    return differences


def deviating_tables(marker: Marker, held: Surplus, *, scored_table: str) -> str:
    """The tables with more or fewer rows of a batch than its marker says; empty if none."""
    surplus = {
        scored_table: held.accepted - marker.accepted,
        "quarantine": held.quarantined - marker.quarantined,
        "quarantine (refused files)": held.refused - marker.files_refused,
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


def left_behind(batch: Batch, held: Surplus) -> Difference:
    return Difference(
        kind="left behind",
        subject=str(batch),
        found=f"has {held.accepted + held.quarantined:,} rows and {held.refused} refused files of {held.files} files "
        "in the tables, and no marker in batches",
        remedy=MARKER_BACK,
    )


def compare_replays(
    row_counts: RowCounts, *, is_unfinished: Callable[[Batch], bool], is_trimmed: bool, without: Collection[str]
) -> list[tuple[int, Difference]]:
    """By replay. Each quarantined row that is marked as replayed must be an input row of that replay, and vice versa.

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
        difference = Difference(
            kind="replay",
            subject=path,
            found=f"{marked:,} quarantined rows are marked as taken up by {batch}, by the ledger it gave {rows:,}"
            + ("" if batch in row_counts.finished else " and is not there"),
            remedy="see DESCRIBE HISTORY of quarantine and batches, and put back what was deleted or changed",
        )
        differences.append((number, difference))
    return differences
