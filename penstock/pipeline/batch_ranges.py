"""Batches of the queries of a pipeline, each query up to its last one; and conditions on rows by their batch."""

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from penstock.pipeline.plan import Plan
from penstock.spark.functions import any_of

#: The last finished batch of each query, by its id.
Batches = dict[str, int]


def later_than(after: Batches, until: Batches) -> Batches:
    """The part of `until` that has batches later than those of `after`."""
    return {query: last for query, last in until.items() if last > after.get(query, -1)}


def farthest(one: Batches, other: Batches) -> Batches:
    """A restored table may have fewer batches than were taken; those are not taken a second time."""
    return {query: max(one.get(query, -1), other.get(query, -1)) for query in sorted(one.keys() | other.keys())}


def up_to(batches: Batches) -> Column:
    """Whether a row is of these batches or earlier ones; never null."""
    return any_of([(F.col("query_id") == query) & (F.col("batch_id") <= last) for query, last in batches.items()])


def in_range(after: Batches, until: Batches) -> Column:
    """Whether a row is of a batch later than `after`, up to `until`."""
    return any_of(
        [
            (F.col("query_id") == query) & F.col("batch_id").between(after.get(query, -1) + 1, last)
            for query, last in later_than(after, until).items()
        ]
    )


def is_earlier_than(plan: Plan) -> Column:
    """Whether a row is of none of the batches that the query of a plan has from this one on: run again, a batch then
    finds in a table what it found before."""
    return ~((F.col("query_id") == plan.query_id) & (F.col("batch_id") >= plan.batch_id))


def is_rescored(answers: DataFrame) -> Column:
    """Whether an answer is of a rescore, and not of its batch; never null."""
    return F.col("rescore_id").isNotNull() if "rescore_id" in answers.columns else F.lit(False)
