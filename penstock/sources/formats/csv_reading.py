"""Reads CSV files that `csv_layouts.reading_groups` puts together, or lines of them, as uncast rows."""

from collections.abc import Mapping, Sequence

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from penstock.config.csv_dialect import CsvDialect
from penstock.schemas.contract import Contract
from penstock.sources.files import Layout, PlannedFile, line_of_file
from penstock.sources.formats.csv_fields import field_expressions
from penstock.sources.formats.csv_layouts import FILE_HEADER, with_headers, with_layouts, without_others
from penstock.sources.formats.csv_rows import LINE, header_column, line_expressions, read_csv_records
from penstock.sources.row_columns import HEADER, IS_HEADER, RAW, SOURCE_FILE
from penstock.sources.text import decoded
from penstock.sources.wide_checks import is_wide
from penstock.spark.barrier import with_filters_above
from penstock.spark.file_reader import file_reader
from penstock.spark.paths import normal_path_column


def read_csv(
    spark: SparkSession, files: Sequence[PlannedFile], *, contract: Contract, dialect: CsvDialect
) -> DataFrame:
    """Rows of CSV files, as text. Blank lines are no rows; lines above a header are marked `_is_header`, as it is.
    With multi_line, files of one reading group."""
    layouts = {file.path: file.the_layout for file in files}
    if dialect.multi_line:
        layout = common_layout(layouts, contract)
        rows = read_csv_records(spark, list(layouts), layout=layout, contract=contract, dialect=dialect)
        if layout.header is None:
            rows = with_headers(rows, layouts, key=SOURCE_FILE)
        return rows.withColumn(HEADER, header_column(layout))
    # Read as text and parsed here, so that a rejected row keeps its exact text.
    text = file_reader(spark, layouts).text(list(layouts))
    lines = text.select(
        decoded(F.col("value"), dialect.encoding).alias(LINE),
        normal_path_column(F.col("_metadata.file_path")).alias(SOURCE_FILE),
    )
    rows = parse_lines(lines, layouts, key=SOURCE_FILE, contract=contract, dialect=dialect)
    above = [line_of_file(file.path, line) for file in files for line in file.lines_above_header]
    if not above:
        return rows
    # By their text, which admission saw: a file is read in parts, and no line knows its number.
    is_above = F.concat_ws("\n", SOURCE_FILE, RAW).isin(above)
    return rows.withColumn(IS_HEADER, F.col(IS_HEADER) | is_above)


def parse_lines(
    lines: DataFrame, layouts: Mapping[str, Layout], *, key: str, contract: Contract, dialect: CsvDialect
) -> DataFrame:
    """Rows of lines of text (`_line`, `source_file`), one each. The header is a line like any other, marked
    `_is_header`.

    layouts: of the lines' files, by the values of the column `key`.
    """
    readings = {without_others(layout, contract) for layout in layouts.values()}
    if is_wide(contract) or len(readings) > 1:
        return parse_fields(lines, layouts, key=key, contract=contract, dialect=dialect)
    layout = common_layout(layouts, contract)
    is_row, plain, record, parsed = line_expressions(layout, contract, dialect)
    rows = lines.where(is_row)
    others = [SOURCE_FILE]
    if layout.header is None:
        rows = with_headers(rows, layouts, key=key)
        others.append(FILE_HEADER)
    return rows.select(LINE, *others, plain).select("*", record).select(*parsed)


def parse_fields(
    lines: DataFrame, layouts: Mapping[str, Layout], *, key: str, contract: Contract, dialect: CsvDialect
) -> DataFrame:
    """As `parse_lines`, whatever the layouts are."""
    distinct = list(dict.fromkeys(layouts.values()))
    most_fields = max(len(layout.columns) for layout in distinct)
    layout = distinct[0] if len(distinct) == 1 else None
    is_row, projections = field_expressions(layout, most_fields, contract, dialect)
    rows = lines.where(is_row)
    if layout is None:
        rows = with_layouts(rows, layouts, contract, key=key)
    *fields, columns = projections
    for projection in fields:
        rows = rows.select(*projection)
    return with_filters_above(rows).select(*columns)


def common_layout(layouts: Mapping[str, Layout], contract: Contract) -> Layout:
    """The layout of all; without a header where they differ in that."""
    distinct = set(layouts.values())
    return next(iter(distinct)) if len(distinct) == 1 else without_others(next(iter(distinct)), contract)
