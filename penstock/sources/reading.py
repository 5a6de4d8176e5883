"""From planned files to checked rows: the accepted ones, and those for the quarantine."""

from collections.abc import Iterable
from functools import reduce
from itertools import groupby

from pyspark.sql import DataFrame, SparkSession, Window
from pyspark.sql import functions as F

from penstock.config.pipeline import CsvDialect
from penstock.schemas.contract import Contract
from penstock.sources.casts import ACCEPTED, REASONS, check_rows
from penstock.sources.files import PlannedFile
from penstock.sources.rows import HEADER, IS_HEADER, RAW, SOURCE_FILE, read_csv, read_parquet

OCCURRENCE = "_occurrence"


def checked_rows(
    spark: SparkSession, files: Iterable[PlannedFile], *, contract: Contract, dialect: CsvDialect
) -> DataFrame | None:
    """All rows of the accepted files with their verdict (see `check_rows`); None where there is no such file.

    One read for each distinct layout: CSV files with the same header line, Parquet files with the same types.
    """
    groups = groupby(sorted(files, key=layout_key), key=layout_key)
    frames = [
        check_rows(read_group(spark, list(group), contract=contract, dialect=dialect), contract) for _, group in groups
    ]
    return reduce(DataFrame.unionByName, frames) if frames else None


def layout_key(file: PlannedFile) -> str:
    return (file.csv or file.parquet or file).model_dump_json()


def read_group(spark: SparkSession, files: list[PlannedFile], *, contract: Contract, dialect: CsvDialect) -> DataFrame:
    paths = [file.path for file in files]
    if files[0].csv:
        return read_csv(spark, paths, layout=files[0].csv, contract=contract, dialect=dialect)
    if files[0].parquet:
        return read_parquet(spark, paths, layout=files[0].parquet, contract=contract)
    raise ValueError(f"{paths[0]} has no layout; only accepted files are read")


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
