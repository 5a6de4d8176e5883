"""The buckets of the rows of a request, by which an experiment samples them: the stream's expressions, compiled."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from penstock.config.pipeline import PipelineConfig, SourceConfig
from penstock.interfaces.rest.request_batching import RequestBatcher
from penstock.interfaces.rest.request_rows import Row, checked, text_columns, texts_of
from penstock.models.assignment import bucket_of
from penstock.schemas.contract import Contract
from penstock.series.windows import series_id
from penstock.sources.row_columns import SOURCE_FILE
from penstock.spark.compiled_rows import CompiledRows

#: The maximum number of rows of concurrent requests that are hashed together.
MAX_BATCH_ROWS = 10_000


@dataclass(frozen=True)
class KeyBuckets:
    """contract: of the fields of a key, and no others. positions: of these fields among a row's values. compiled: from
    the texts of these fields and the salt."""

    source: SourceConfig
    contract: Contract
    positions: tuple[int, ...]
    compiled: CompiledRows

    @classmethod
    def of(
        cls, spark: SparkSession, config: PipelineConfig, contract: Contract, key: Sequence[str]
    ) -> "KeyBuckets | None":
        """key: of a plan's experiment. None if the contract lacks a column of it. Takes some seconds."""
        names = [config.the_series.id or config.the_series.time] if config.series else list(key)
        positions = {field.name: number for number, field in enumerate(contract.fields)}
        if not set(names) <= set(positions):
            return None
        fields = Contract(fields=tuple(contract.fields[positions[name]] for name in names))
        columns = key_columns(config, key)

        def buckets(texts: DataFrame) -> DataFrame:
            # The checks keep no column but these: the salt stands where a row's number does.
            return checked(texts, fields, config.source).select(bucket_of(columns, salt=F.col(SOURCE_FILE)))

        compiled = CompiledRows.of(spark, text_columns(fields), buckets)
        return cls(config.source, fields, tuple(positions[name] for name in names), compiled)

    def __call__(self, rows: Sequence[Row], *, salt: str) -> list[int]:
        """In the order of the rows. rows: JSON values in the order of the contract's fields."""
        keys = [[row[position] for position in self.positions] for row in rows]
        return self.hashed([(*texts[:-1], salt) for texts in texts_of(keys, self.contract, self.source)])

    @cached_property
    def hashed(self) -> RequestBatcher[tuple[str | None, ...], int]:
        return RequestBatcher(evaluate=self.evaluate, most=MAX_BATCH_ROWS)

    def evaluate(self, texts: Sequence[tuple[str | None, ...]]) -> list[int]:
        return [bucket for (bucket,) in self.compiled(texts)]


def key_columns(config: PipelineConfig, key: Sequence[str]) -> list[Column]:
    """Of checked rows, as the stream's tables have them."""
    if config.series:
        return [series_id(config.series)]
    return [F.col(name) for name in key]
