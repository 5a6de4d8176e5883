"""From planned files to checked rows: the accepted ones, and those for the quarantine."""

from collections import defaultdict
from collections.abc import Iterable
from functools import reduce

from pyspark.sql import DataFrame, SparkSession, Window
from pyspark.sql import functions as F

from penstock.config.pipeline import SourceConfig
from penstock.schemas.contract import Contract
from penstock.sources.casts import ACCEPTED, REASONS
from penstock.sources.files import PlannedFile
from penstock.sources.formats import FORMATS
from penstock.sources.row_checks import check_rows
from penstock.sources.row_columns import HEADER, IS_HEADER, RAW, SOURCE_FILE
from penstock.sources.wide_checks import is_wide
from penstock.spark.barrier import with_filters_above

OCCURRENCE = "_occurrence"


def checked_rows(
    spark: SparkSession, files: Iterable[PlannedFile], *, contract: Contract, source: SourceConfig
) -> DataFrame | None:
    """All rows of the accepted files with their verdict (see `check_rows`); None where there is no such file.

    One read for each group of files that the format reads together: CSV files with the contract's columns in the same
    places (or in any, if there are many), JSON lines, Parquet files of the same types.
    """
    by_format: dict[str, list[PlannedFile]] = defaultdict(list)
    for file in files:
        by_format[file.the_layout.format].append(file)
    read = [
        FORMATS[name].read(spark, group, source=source, contract=contract)
        for name in sorted(by_format)
        for group in FORMATS[name].reading_groups(by_format[name], source=source, contract=contract)
    ]
    if not read:
        return None
    checked = reduce(DataFrame.unionByName, [check_rows(rows, contract) for rows in read])
    return with_filters_above(checked) if is_wide(contract) else checked


def accepted_rows(checked: DataFrame, contract: Contract) -> DataFrame:
    """The contract's columns and `source_file` of the rows that passed."""
    return checked.where(ACCEPTED).select(*[field.name for field in contract.fields], SOURCE_FILE)


def rejected_rows(checked: DataFrame, *, has_repeated_headers: bool = True) -> DataFrame:
    """`reasons`, `raw`, `header`, `source_file` of the rows that did not pass.

    One line equal to the header text is each file's header. Any further one is a row, and rejected: which of the
    equal lines is the header makes no difference. has_repeated_headers: whether to look for them.
    """
    rejected = checked.where(~F.col(ACCEPTED)).select(
        REASONS, F.col(RAW).alias("raw"), F.col(HEADER).alias("header"), SOURCE_FILE, IS_HEADER
    )
    others = rejected.where(~F.col(IS_HEADER)).drop(IS_HEADER)
    if not has_repeated_headers:
        return others
    headers = rejected.where(IS_HEADER)
    numbered = headers.withColumn(OCCURRENCE, F.row_number().over(Window.partitionBy(SOURCE_FILE).orderBy(SOURCE_FILE)))
    return others.unionByName(numbered.where(F.col(OCCURRENCE) > 1).drop(OCCURRENCE, IS_HEADER))
