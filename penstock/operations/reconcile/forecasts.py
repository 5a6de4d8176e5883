"""Compares forecasts with observations: exactly the observations without an error must have forecasts."""

from collections.abc import Callable, Collection
from typing import Any

from pyspark.sql import DataFrame, Row
from pyspark.sql import functions as F

from penstock.operations.reconcile.ledger_rows import Batch
from penstock.operations.reconcile.tables import MARKER_BACK, PUT_BACK, TAKE_OUT, Difference

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
) -> list[Difference]:
    """One difference for each kind, with an example. By series and cutoff, not by batch: a replay recomputes forecasts
    but leaves the observations with their original batch.

    done: the finished batches. is_trimmed: retention may have deleted observations or forecasts; only wrong numbers of
    rows are differences then.
    """
    sizes = [
        (Batch(row["query_id"], row["batch_id"]), row["rows"], row["steps"] * row["variables"])
        for row in batch_sizes(tables["forecasts"])
    ]
    differences = [
        left_behind(batch, rows) for batch, rows, _ in sizes if batch not in done and not is_unfinished(batch)
    ]
    finished = [(*batch, each) for batch, _, each in sizes if batch in done]
    for row in mismatches(tables, done, finished):
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


def mismatches(tables: dict[str, DataFrame], done: Collection[Batch], finished: list[tuple[Any, ...]]) -> list[Row]:
    """kind, number of (series, cutoff) pairs, and the first of them."""
    spark = tables["forecasts"].sparkSession
    each = F.broadcast(spark.createDataFrame(finished, "query_id string, batch_id long, expected int"))
    by_cutoff = tables["forecasts"].join(each, on=list(BATCH)).groupBy(*KEYS)
    made = by_cutoff.agg(F.count("*").alias("rows"), F.max("expected").alias("expected"))
    markers = F.broadcast(spark.createDataFrame([tuple(batch) for batch in done], "query_id string, batch_id long"))
    observed = tables["observations"].where(F.col("error").isNull()).join(markers, on=list(BATCH), how="left_semi")
    observed = (
        observed.select("series_id", F.col("ds").alias("cutoff")).distinct().withColumn("is_observed", F.lit(True))
    )
    kind = (
        F.when(F.col("rows").isNull(), "no forecast")
        .when(F.col("is_observed").isNull(), "orphan forecast")
        .when(F.col("rows") != F.col("expected"), "forecast rows")
    )
    both = made.join(observed, on=list(KEYS), how="full_outer").withColumn("kind", kind).where("kind IS NOT NULL")
    example = F.min(F.struct("series_id", F.col("cutoff").cast("string").alias("cutoff"), "rows", "expected"))
    return both.groupBy("kind").agg(F.count("*").alias("number"), example.alias("example")).orderBy("kind").collect()


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
