"""Rows that the quarantine keeps, judged again under today's contract: CSV from its text, Parquet from its JSON."""

import json
import re
from dataclasses import dataclass, replace
from functools import reduce

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from penstock.config.pipeline import CsvDialect, PipelineConfig
from penstock.pipeline.plan import QuarantineReplay
from penstock.schemas.contract import Contract, Field
from penstock.sources.casts import JSON_TEXT, check_rows
from penstock.sources.files import CsvLayout
from penstock.sources.formats.csv_admission import header_reasons, split_header
from penstock.sources.rows import (
    DAMAGED_BYTES,
    DAMAGED_TEXT,
    HEADER,
    IS_HEADER,
    LINE,
    RAW,
    ROW_REASON,
    SOURCE_FILE,
    decoded,
    parse_lines,
    quoted,
    unprintable,
)
from penstock.spark.tables import table_at


def waiting(spark: SparkSession, config: PipelineConfig, replay: QuarantineReplay) -> DataFrame:
    """The quarantine's rows, of all stages, that no replay has taken yet and that `replay.reason` is part of a reason
    of. A Parquet text that is no UTF-8 is left out: its bytes are lost."""
    table = table_at(spark, config.table_path("quarantine"), replay.quarantine_version)
    rows = table.where(F.col("replayed_in").isNull())
    rows = rows.where(~F.array_contains("reasons", DAMAGED_TEXT))
    if replay.reason:
        rows = rows.where(F.exists("reasons", lambda reason: reason.contains(replay.reason)))
    return rows


@dataclass(frozen=True)
class WaitingRows:
    """rows: of the quarantine. layouts: of the header lines among them."""

    rows: DataFrame
    layouts: tuple[CsvLayout, ...]


def waiting_rows(
    spark: SparkSession, config: PipelineConfig, replay: QuarantineReplay, *, contract: Contract
) -> WaitingRows:
    """The waiting rows that can be judged: CSV rows whose header does not give the contract's columns can't."""
    rows = waiting(spark, config, replay).where(F.col("stage") != "file")
    headers = sorted(row["header"] for row in rows.select("header").distinct().collect() if row["header"] is not None)
    layouts = [
        CsvLayout(header_line=header, columns=tuple(columns))
        for header in headers
        if not header_reasons(columns := split_header(header, config.source.csv), contract)
    ]
    usable = F.col("header").isNull() | F.col("header").isin([layout.header_line for layout in layouts])
    return WaitingRows(rows=rows.where(usable), layouts=tuple(layouts))


def judged_again(waiting: WaitingRows, *, contract: Contract, dialect: CsvDialect) -> DataFrame:
    """The waiting rows as `check_rows` gives them today."""
    frames = [judge_json(waiting.rows.where(F.col("header").isNull()), contract)]
    for layout in waiting.layouts:
        lines = waiting.rows.where(F.col("header") == layout.header_line).select(line_of(dialect), SOURCE_FILE)
        frames.append(check_rows(parse_lines(lines, layout=layout, contract=contract, dialect=dialect), contract))
    return reduce(DataFrame.unionByName, frames)


def line_of(dialect: CsvDialect) -> Column:
    """The row's text as it was in the file: damaged text is kept escaped, and here gets its bytes back."""
    is_damaged = F.exists("reasons", lambda reason: reason.startswith(DAMAGED_BYTES))
    return F.when(is_damaged, decoded(unprintable(F.col("raw")), dialect)).otherwise(F.col("raw")).alias(LINE)


def judge_json(rows: DataFrame, contract: Contract) -> DataFrame:
    """Rows from Parquet files: the values of their JSON as text, which has ISO dates whatever the CSV's format."""
    schema = ", ".join(f"{quoted(source)} string" for source in contract.sources)
    plain = replace(contract, fields=tuple(replace(field, format=None) for field in contract.fields))
    frame = rows.withColumn("_json", F.from_json("raw", schema)).select(
        *[json_text(field).alias(field.name) for field in contract.fields],
        F.col("raw").alias(RAW),
        F.lit(None).cast("string").alias(HEADER),
        F.lit(None).cast("string").alias(ROW_REASON),
        F.lit(False).alias(IS_HEADER),
        SOURCE_FILE,
    )
    return check_rows(frame, plain, text_type=JSON_TEXT)


def json_text(field: Field) -> Column:
    """The text of a field's value, of the columns `raw` and `_json`."""
    text = F.col(f"_json.{quoted(field.source)}")
    if field.decimal_precision_scale is None:
        return text
    # `from_json` passes a number through a double, which has too few digits for a decimal. What looks like a key of the
    # row is one: within a value each quote has a backslash before it.
    key = re.escape(json.dumps(field.source, ensure_ascii=False))
    digits = F.regexp_extract("raw", f"[{{,]{key}:(-?[0-9][0-9.E-]*)", 1)
    return F.coalesce(F.nullif(digits, F.lit("")), text)
