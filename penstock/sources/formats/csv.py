"""CSV: columns by the names of the header line, in whatever order; all values as text."""

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from penstock.config.csv_dialect import CsvDialect
from penstock.config.pipeline import SourceConfig
from penstock.errors import ConfigError
from penstock.schemas.contract import Contract
from penstock.sources.files import Layout, PlannedFile, accepted_file, refused_file
from penstock.sources.formats.compression import (
    DAMAGED_GZIP,
    GZIP,
    HEADER_BYTES,
    gzip_reason,
    name_reasons,
    opened_text,
    read_head,
)
from penstock.sources.formats.csv_header import (
    check_whole,
    has_header,
    header_reasons,
    lines_above,
    read_header,
    split_header,
)
from penstock.sources.formats.csv_layouts import reading_groups
from penstock.sources.formats.csv_reading import parse_lines, read_csv
from penstock.sources.formats.csv_rows import LINE, parser_options
from penstock.sources.formats.line_lengths import long_line_reasons
from penstock.sources.formats.protocol import Restored, StreamReader, one_row
from penstock.sources.formats.signatures import binary_kind, json_kind, markup_kind
from penstock.sources.formats.text_lines import count_lines
from penstock.sources.row_checks import check_rows
from penstock.sources.row_columns import SOURCE_FILE
from penstock.sources.text import restored_line
from penstock.spark.functions import quoted
from penstock.storage.files import FileStatus, Storage

WORKERS = 16


@dataclass(frozen=True)
class Csv:
    name: str = "csv"
    endings: tuple[str, ...] = (".csv", ".csv.gz", ".tsv", ".tsv.gz", ".txt", ".txt.gz")
    has_header: bool = True

    def admit(
        self, path: str, status: FileStatus, *, storage: Storage, source: SourceConfig, contract: Contract
    ) -> PlannedFile:
        """By its name, its header, and, read to the end, its compression and (multi_line) its quotes."""
        if against_name := name_reasons(path):
            return refused_file(path=path, status=status, reasons=against_name)
        dialect = source.csv
        with opened_text(storage, path) as content:
            try:
                head = read_head(content, HEADER_BYTES, is_enough=partial(has_header, dialect=dialect))
                if kind := binary_kind(head):
                    return refused_file(path=path, status=status, reasons=[kind.reason("CSV")])
                found = read_header(head, dialect=dialect, contract=contract)
                reasons, layout = found.reasons, found.layout
                if path.endswith(GZIP) or dialect.multi_line:
                    reasons += check_whole(head, content, dialect=dialect)
                else:
                    reasons += long_line_reasons(content, status.length)
            except DAMAGED_GZIP as error:
                return refused_file(path=path, status=status, reasons=[gzip_reason(error)])
        if reasons and (kind := markup_kind(head) or json_kind(head)):
            reasons = [kind.reason("CSV")]
        if reasons or layout is None:
            return refused_file(path=path, status=status, reasons=reasons)
        return accepted_file(path=path, status=status, layout=layout, lines_above_header=found.above)

    def reading_groups(
        self, files: Sequence[PlannedFile], *, source: SourceConfig, contract: Contract
    ) -> list[list[PlannedFile]]:
        """By where the contract's columns stand; all together, where there are more such layouts than a few."""
        return reading_groups(files, contract, multi_line=source.csv.multi_line)

    def read(
        self, spark: SparkSession, files: Sequence[PlannedFile], *, source: SourceConfig, contract: Contract
    ) -> DataFrame:
        """Blank lines are no rows."""
        return read_csv(spark, files, contract=contract, dialect=source.csv)

    def empty_row(self, spark: SparkSession, *, source: SourceConfig, contract: Contract) -> DataFrame:
        layout = Layout(format=self.name, header="", columns=contract.sources)
        # An empty field in quotes is null, and a line of one is not blank.
        line = source.csv.separator * (len(contract.sources) - 1) or source.csv.quote * 2
        lines = spark.range(1).select(one_row(line).alias(LINE), one_row("").alias(SOURCE_FILE))
        return parse_lines(lines, {"": layout}, key=SOURCE_FILE, contract=contract, dialect=source.csv)

    def verify(self, file: PlannedFile, *, storage: Storage, contract: Contract) -> str | None:
        """Text has no damage that Spark fails on: every line is a row, or rejected."""
        return None

    def count_rows(
        self,
        spark: SparkSession,
        storage: Storage,
        source: SourceConfig,
        files: Mapping[str, FileStatus],
        *,
        is_named: Column,
    ) -> dict[str, int]:
        """Lines that are not blank, less the header and those above it; none where rows may span lines (multi_line)."""
        if source.csv.multi_line:
            return {}
        counted = count_lines(spark, source, files, is_named=is_named)
        above = lines_above_headers(storage, counted, source.csv)
        return {path: max(0, lines - 1 - above[path]) for path, lines in counted.items()}

    def restore(self, waiting: DataFrame, *, source: SourceConfig, contract: Contract) -> list[Restored]:
        """By the text that is kept, under its header; not where the header lacks a column of today's contract."""
        headers = sorted(row["header"] for row in waiting.select("header").distinct().collect())
        columns = {header: split_header(header, source.csv) for header in headers}
        layouts = {
            header: Layout(format=self.name, header=header, columns=tuple(names))
            for header, names in columns.items()
            if not header_reasons(names, contract)
        }
        if not layouts:
            return []
        rows = waiting.where(F.col("header").isin(list(layouts)))
        line = restored_line(F.col("raw"), F.col("reasons"), source.csv.encoding)
        lines = rows.select(line.alias(LINE), SOURCE_FILE, "header")
        parsed = parse_lines(lines, layouts, key="header", contract=contract, dialect=source.csv)
        return [Restored(waiting=rows, checked=check_rows(parsed, contract))]

    def stream_reader(self, source: SourceConfig, contract: Contract) -> StreamReader:
        dialect = source.csv
        if dialect.skip_lines:
            raise ConfigError(
                "source.csv.skip_lines: Spark's stream of rows can't skip lines; run the job (score_stream), which can"
            )
        options = parser_options(dialect) | {
            "header": "true",
            "enforceSchema": "false",
            "encoding": dialect.encoding,
            "multiLine": str(dialect.multi_line).lower(),
        }
        del options["columnNameOfCorruptRecord"]
        schema = ", ".join(f"{quoted(source)} string" for source in contract.sources)
        return StreamReader(schema=schema, options=options)


def lines_above_headers(storage: Storage, paths: Iterable[str], dialect: CsvDialect) -> dict[str, int]:
    """How many of the lines that the dialect skips are not blank, by path; 0 for a file that can't be read any more."""

    def count(path: str) -> int:
        try:
            with opened_text(storage, path) as content:
                return lines_above(content.read(HEADER_BYTES), dialect)
        except (OSError, *DAMAGED_GZIP):
            return 0

    if not dialect.skip_lines:
        return dict.fromkeys(paths, 0)
    with ThreadPoolExecutor(max_workers=WORKERS) as pool:
        return dict(zip(paths, pool.map(count, paths), strict=True))
