"""Compares forecasts with observations: exactly those must have forecasts that have no error, or a fallback.

With `series.revisions: newest` a cutoff may have several, each of another batch; and it may have one although its
observation got none when it came, because a hole before it was filled later.
"""

from collections.abc import Callable, Collection
from typing import Any, Literal

from pyspark.sql import DataFrame, Row
from pyspark.sql import functions as F

from penstock.operations.reconcile.ledger_rows import Batch
from penstock.operations.reconcile.tables import MARKER_BACK, PUT_BACK, TAKE_OUT, Difference
from penstock.series.missing_forecasts import has_forecast
from penstock.series.valid_observations import is_in_use

KEYS = ("series_id", "cutoff")
BATCH = ("query_id", "batch_id")
#: By kind of difference: its description, and what to do.
WORDS = {
    "no forecast": ("observations that should have forecasts have none", PUT_BACK),
    "orphan forecast": ("cutoffs have forecasts, and no observation that should have them", TAKE_OUT),
    "forecast rows": (
        "cutoffs have too few or too many rows of forecasts",
        f"if too few, {PUT_BACK}; if too many, {TAKE_OUT}",
    ),
}


def compare_forecasts(
    tables: dict[str, DataFrame],
    done: Collection[Batch],
    *,
    is_unfinished: Callable[[Batch], bool],
    is_trimmed: bool,
    revisions: Literal["first", "newest"] = "first",
) -> list[Difference]:
    """One difference for each kind, with an example. By series and cutoff, not by batch: a replay recomputes forecasts
    but leaves the observations with their original batch.

    done: the finished batches. is_trimmed: retention may have deleted observations or forecasts; only wrong numbers of
    rows are differences then. revisions: the pipeline's setting.
    """
    sizes = [
        (Batch(row["query_id"], row["batch_id"]), row["rows"], row["steps"] * row["variables"])
        for row in batch_sizes(tables["forecasts"])
    ]
    differences = [
        left_behind(batch, rows) for batch, rows, _ in sizes if batch not in done and not is_unfinished(batch)
    ]
    finished = [(*batch, each) for batch, _, each in sizes if batch in done]
    for row in mismatches(tables, done, finished, revisions=revisions):
        if not (is_trimmed and row["kind"] != "forecast rows"):
            differences.append(as_difference(row))
    return differences


def batch_sizes(forecasts: DataFrame) -> list[Row]:
    """Rows, steps and variables of each batch, whose horizon may differ from today's."""
    return (
        forecasts.groupBy(*BATCH)
        .agg(
            F.count("*").alias("rows"),
            F.max("step").alias("steps"),
            F.size(F.collect_set("variable")).alias("variables"),
        )
        .collect()
    )


def mismatches(
    tables: dict[str, DataFrame],
    done: Collection[Batch],
    finished: list[tuple[Any, ...]],
    *,
    revisions: Literal["first", "newest"],
) -> list[Row]:
    """kind, number of (series, cutoff) pairs, and the first of them."""
    spark = tables["forecasts"].sparkSession
    each = F.broadcast(spark.createDataFrame(finished, "query_id string, batch_id long, expected int"))
    made = rows_of_cutoffs(tables["forecasts"].join(each, on=list(BATCH)), revisions=revisions)
    markers = F.broadcast(spark.createDataFrame([tuple(batch) for batch in done], "query_id string, batch_id long"))
    must_have = has_forecast()
    may_have = must_have if revisions == "first" else is_in_use()
    observed = tables["observations"].where(may_have).join(markers, on=list(BATCH), how="left_semi")
    observed = observed.groupBy("series_id", F.col("ds").alias("cutoff")).agg(F.max(must_have).alias("must_have"))
    kind = (
        F.when(F.col("rows").isNull() & F.col("must_have"), "no forecast")
        .when(F.col("must_have").isNull(), "orphan forecast")
        .when(F.col("rows") != F.col("expected"), "forecast rows")
    )
    both = made.join(observed, on=list(KEYS), how="full_outer").withColumn("kind", kind).where("kind IS NOT NULL")
    example = F.min(F.struct("series_id", F.col("cutoff").cast("string").alias("cutoff"), "rows", "expected"))
    return both.groupBy("kind").agg(F.count("*").alias("number"), example.alias("example")).orderBy("kind").collect()


def rows_of_cutoffs(forecasts: DataFrame, *, revisions: Literal["first", "newest"]) -> DataFrame:
    """series_id, cutoff, rows, expected; with `revisions: newest` those of the batch that is wrong, if one is."""
    counts = (F.count("*").alias("rows"), F.max("expected").alias("expected"))
    if revisions == "first":
        return forecasts.groupBy(*KEYS).agg(*counts)
    is_wrong = (F.col("rows") != F.col("expected")).alias("is_wrong")
    by_batch = forecasts.groupBy(*KEYS, *BATCH).agg(*counts)
    worst = by_batch.groupBy(*KEYS).agg(F.max(F.struct(is_wrong, "rows", "expected")).alias("worst"))
    return worst.select(*KEYS, "worst.rows", "worst.expected")


def as_difference(row: Row) -> Difference:
    what, remedy = WORDS[row["kind"]]
    example = row["example"]
    size = f" with {example['rows']} rows of {example['expected']}" if row["kind"] == "forecast rows" else ""
    return Difference(
        kind=row["kind"],
        subject="forecasts",
        found=f"{row['number']:,} {what}, the first is {example['series_id']} at {example['cutoff']}{size}",
        remedy=remedy,
    )


def left_behind(batch: Batch, rows: int) -> Difference:
    return Difference(
        kind="left behind",
        subject=str(batch),
        found=f"has {rows:,} rows in forecasts and no marker in batches",
        remedy=MARKER_BACK,
    )
