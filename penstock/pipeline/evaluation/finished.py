"""The finished batches that an evaluation may take: how far each query of a pipeline has come, from the log of its
ledger, without Spark; and conditions on rows by their batch."""

from functools import reduce

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from penstock.config.pipeline import PipelineConfig
from penstock.pipeline.evaluation.plans import Batches
from penstock.pipeline.last_batch import BATCH, QUERY
from penstock.pipeline.ledger import last_by_query, queries_folder
from penstock.pipeline.replay.plans import REPLAY_QUERY
from penstock.storage.delta_files import data_files
from penstock.storage.delta_reader import opened_table
from penstock.storage.files import Storage


def finished_batches_by_query(config: PipelineConfig, storage: Storage) -> Batches:
    """The last finished batch of each query that has one, of earlier checkpoints and of replays too.

    A query leaves its id beside the tables; one of an earlier version did not, and is found by the bounds of the files.
    Raises LedgerError.
    """
    with opened_table(config, "batches") as batches:
        if batches is None:
            return {}
        files = data_files(batches, (QUERY, BATCH))
        ends = {end[QUERY] for file in files for end in (file.least, file.most) if end[QUERY] is not None}
        return last_by_query(batches, sorted({*ends, *storage.names(queries_folder(config)), REPLAY_QUERY}))


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


def any_of(conditions: list[Column]) -> Column:
    return reduce(lambda left, right: left | right, conditions, F.lit(False))


def is_rescored(answers: DataFrame) -> Column:
    """Whether an answer is of a rescore, and not of its batch; never null."""
    return F.col("rescore_id").isNotNull() if "rescore_id" in answers.columns else F.lit(False)
