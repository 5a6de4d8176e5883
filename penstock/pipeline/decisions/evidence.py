"""What has come true of exactly one pair of versions: the sums of `evaluations`, read without Spark."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from penstock.config.pipeline import PipelineConfig
from penstock.models.verdict.rule import Units
from penstock.storage.catalog_columns import with_new_columns
from penstock.storage.delta_files import DataFile, data_files, read_files
from penstock.storage.delta_reader import opened_table

GROUPS = ("unit", "variable", "step")
SUMS = (
    "pairs",
    "compared_pairs",
    "compared_champion_loss",
    "candidate_loss",
    "scored_pairs",
    "champion_abs",
    "candidate_abs",
    "naive_abs",
    "champion_within",
    "candidate_within",
    "champion_failed",
    "candidate_failed",
)
ASKED = ("champion", "candidate", "evaluated_at", "is_final", "loss")
BATCH_ROWS = 20_000


@dataclass
class KnownSums:
    """What `pair_sums` has read last, for one who asks again and again. of: the table's version, and what was asked."""

    of: tuple[Any, ...] | None = None
    sums: pa.Table | None = None


def pair_sums(
    config: PipelineConfig,
    *,
    champion: str,
    candidate: str,
    since: datetime,
    loss: str,
    known: KnownSums | None = None,
) -> pa.Table:
    """GROUPS and SUMS of the pair, one row for each group: of evaluations that are not final, made since then, by this
    loss. No rows where there is no table. Files that can have none of them are not read, and none at all where `known`
    has the same of this version of the table.

    Raises LedgerError if the table can't be read, OSError.
    """

    def may_have(file: DataFile) -> bool:
        last = file.most["evaluated_at"]
        return file.may_have("champion", champion) and (last is None or last >= since)

    wanted = [*GROUPS, *SUMS, *ASKED]
    fields = with_new_columns(pa.schema([]), "evaluations")
    known = known or KnownSums()
    with opened_table(config, "evaluations") as table:
        if table is None:
            return added_up(pa.schema([fields.field(name) for name in wanted]).empty_table())
        asked = (table.metadata().id, table.version(), champion, candidate, since, loss)
        if known.sums is not None and known.of == asked:
            return known.sums
        present = [name for name in wanted if name in pa.schema(table.schema().to_arrow()).names]
        files = [file for file in data_files(table, ("champion", "evaluated_at")) if may_have(file)]
        schema = pa.schema([fields.field(name) for name in present])
        batches = [batch.cast(schema) for batch in read_files(table, files, present, batch_rows=BATCH_ROWS)]
    rows = pa.Table.from_batches(batches, schema=schema)
    for name in (name for name in wanted if name not in present):
        rows = rows.append_column(fields.field(name), pa.nulls(len(rows), fields.field(name).type))
    is_asked = (
        (pc.field("champion") == champion)
        & (pc.field("candidate") == candidate)
        & (pc.field("evaluated_at") >= pa.scalar(since, pa.timestamp("us", "UTC")))
        & ~pc.coalesce(pc.field("is_final"), False)
        & (pc.field("loss") == loss)
    )
    known.of, known.sums = asked, added_up(rows.filter(is_asked))
    return known.sums


def added_up(rows: pa.Table, groups: tuple[str, ...] = GROUPS) -> pa.Table:
    """SUMS by these groups; null where nothing was measured."""
    summed = rows.group_by(list(groups)).aggregate([(name, "sum") for name in SUMS])
    return summed.select([*groups, *(f"{name}_sum" for name in SUMS)]).rename_columns([*groups, *SUMS])


def of_steps(sums: pa.Table, steps: tuple[int, ...]) -> pa.Table:
    """Those that decide: of these steps, or without one (rows)."""
    return sums.filter(pc.is_null(pc.field("step")) | pc.field("step").isin(list(steps)))


def out_of_sample(sums: pa.Table, fitted_until: datetime | None) -> pa.Table:
    """The sums of units after the end of the fit: earlier ones are what a version was made from, and the one with more
    freedom looks better there. All of them where no end is known."""
    if fitted_until is None:
        return sums
    is_later = pc.field("unit") > pa.scalar(fitted_until, sums.schema.field("unit").type)
    return sums.filter(pc.is_null(pc.field("unit")) | is_later)


def units_of(sums: pa.Table) -> Units:
    """In the order of time. A unit without a pair that both versions have a loss for is none, nor is one whose sums are
    no finite numbers."""
    by_unit = added_up(sums.filter(pc.is_valid(pc.field("unit"))), ("unit",)).sort_by("unit")
    pairs = numbers(by_unit, "compared_pairs")
    champion, candidate = numbers(by_unit, "compared_champion_loss"), numbers(by_unit, "candidate_loss")
    counts = (pairs > 0) & np.isfinite(champion) & np.isfinite(candidate)
    # As integers: the table may have times beyond those of Python.
    microseconds = np.asarray(pc.cast(by_unit["unit"], pa.int64()))[counts]
    return Units(
        pairs=pairs[counts].astype(np.int64),
        champion_loss=champion[counts],
        candidate_loss=candidate[counts],
        span_seconds=float(microseconds[-1] - microseconds[0]) / 1e6 if len(microseconds) else 0.0,
    )


def numbers(rows: pa.Table, name: str) -> NDArray[np.float64]:
    """0 for what was not measured."""
    return np.asarray(pc.fill_null(pc.cast(rows[name], pa.float64()), 0.0), dtype=np.float64)


def total(rows: pa.Table, name: str) -> float:
    return float(numbers(rows, name).sum())
