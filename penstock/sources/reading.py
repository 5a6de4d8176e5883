"""From planned files to checked rows: the accepted ones, and those for the quarantine."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from functools import reduce

from pyspark.sql import Column, DataFrame, SparkSession, Window
from pyspark.sql import functions as F

from penstock.config.pipeline import SourceConfig
from penstock.schemas.contract import Contract
from penstock.sources.casts import ACCEPTED, REASONS
from penstock.sources.files import PlannedFile, line_of_file
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
    checked = []
    for name in sorted(by_format):
        of_format = contract_of(name, contract)
        for group in FORMATS[name].reading_groups(by_format[name], source=source, contract=contract):
            rows = FORMATS[name].read(spark, group, source=source, contract=contract)
            checked.append(check_rows(rows, of_format))
    if not checked:
        return None
    union = reduce(DataFrame.unionByName, checked)
    return with_filters_above(union) if is_wide(contract) else union


def contract_of(format_name: str, contract: Contract) -> Contract:
    """The contract for the files of a format: only CSV has numbers with a decimal comma."""
    return contract if format_name == "csv" else contract.with_decimal_points


def accepted_rows(checked: DataFrame, contract: Contract) -> DataFrame:
    """The contract's columns and `source_file` of the rows that passed."""
    return checked.where(ACCEPTED).select(*[field.name for field in contract.fields], SOURCE_FILE)


def rejected_rows(
    checked: DataFrame, *, files: Iterable[PlannedFile] = (), has_repeated_headers: bool = True
) -> DataFrame:
    """`reasons`, `raw`, `header`, `source_file` of the rows that did not pass.

    One line equal to the header text is each file's header, as is each line above it. Any further one is a row, and
    rejected: which of the equal lines is the header makes no difference. has_repeated_headers: whether to look for
    them. files: where the rows come from, for those that begin with the same line several times.
    """
    rejected = checked.where(~F.col(ACCEPTED)).select(
        REASONS, F.col(RAW).alias("raw"), F.col(HEADER).alias("header"), SOURCE_FILE, IS_HEADER
    )
    others = rejected.where(~F.col(IS_HEADER)).drop(IS_HEADER)
    if not has_repeated_headers:
        return others
    headers = rejected.where(IS_HEADER)
    equal_lines = Window.partitionBy(SOURCE_FILE, "raw").orderBy(SOURCE_FILE)
    numbered = headers.withColumn(OCCURRENCE, F.row_number().over(equal_lines))
    rows = numbered.where(F.col(OCCURRENCE) > times_in_head(files)).drop(OCCURRENCE, IS_HEADER)
    return others.unionByName(rows)


def times_in_head(files: Iterable[PlannedFile]) -> Column:
    """How often the line `raw` of a file stands above its header or is its header, of those lines that do."""
    by_times: dict[int, list[str]] = defaultdict(list)
    for file in files:
        for line, times in Counter(file.head).items():
            if times > 1:
                by_times[times].append(line_of_file(file.path, line))
    place = F.concat_ws("\n", SOURCE_FILE, "raw")
    known = [F.when(place.isin(lines), F.lit(times)) for times, lines in by_times.items()]
    return F.coalesce(*known, F.lit(1))
