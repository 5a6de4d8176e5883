"""Which rows a candidate answers: a stable hash of their key, so that replay, backfill and REST agree without state."""

from collections.abc import Sequence

from pyspark.sql import Column
from pyspark.sql import functions as F

from penstock.config.experiment import BUCKETS, first_bucket_without
from penstock.models.pinned import PinnedModel

#: Between salt and the values of a key; no key has it.
SEPARATOR = "\x1f"


def salt_of(candidate: PinnedModel) -> str:
    """Another one for each version, so that the same keys are not always the ones that are tried on."""
    return f"{candidate.name}/{candidate.version}/{candidate.created_milliseconds}"


def is_sampled(key: Sequence[Column], *, salt: str, fraction: float) -> Column:
    """Whether a row is in the sample. key: as `bucket_of` has it."""
    return bucket_of(key, salt=F.lit(salt)) < first_bucket_without(fraction)


def bucket_of(key: Sequence[Column], *, salt: Column) -> Column:
    """XXH64 (seed 42, as Spark's xxhash64 has it) of the UTF-8 text of salt and key, as a signed number modulo BUCKETS.

    key: at least one column; each is written as Spark casts it to a string, null as nothing.
    """
    text = F.concat_ws(SEPARATOR, salt, *[F.coalesce(column.cast("string"), F.lit("")) for column in key])
    return F.pmod(F.xxhash64(text), F.lit(BUCKETS))
