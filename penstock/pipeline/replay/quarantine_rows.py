"""Rows that the quarantine keeps, checked again under today's contract."""

from collections.abc import Iterator

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from penstock.config.pipeline import PipelineConfig
from penstock.pipeline.plan import QuarantineReplay
from penstock.schemas.contract import Contract
from penstock.sources.formats import FORMATS, is_of
from penstock.sources.formats.protocol import Restored
from penstock.sources.text import DAMAGED_TEXT
from penstock.spark.tables import table_at


def waiting_rows(spark: SparkSession, config: PipelineConfig, replay: QuarantineReplay) -> DataFrame:
    """The quarantine's rows, of all stages, that no replay has taken, with `replay.reason` in a reason.
    Binary text that is no UTF-8 is left out: its bytes are lost."""
    rows = table_at(spark, config.table_path("quarantine"), replay.quarantine_version)
    rows = rows.where(F.col("replayed_in").isNull() & ~F.array_contains("reasons", DAMAGED_TEXT))
    if replay.reason:
        rows = rows.where(F.exists("reasons", lambda reason: reason.contains(replay.reason)))
    return rows


def restored_rows(
    spark: SparkSession, config: PipelineConfig, replay: QuarantineReplay, *, contract: Contract
) -> Iterator[Restored]:
    """The waiting rows that can be checked again, format by format."""
    rows = waiting_rows(spark, config, replay).where(F.col("stage") != "file")
    # Rows without a header came from a format without one, whatever source.format is by now.
    default = "parquet" if FORMATS[config.source.format].has_header else config.source.format
    for known in FORMATS.values():
        is_kept_so = F.col("header").isNotNull()
        if not known.has_header:
            is_kept_so = ~is_kept_so & is_of(known, F.col("source_file"), default=default)
        yield from known.restore(rows.where(is_kept_so), source=config.source, contract=contract)
