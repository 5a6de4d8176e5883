"""CSV: columns by the names of the header line, in whatever order; all values as text."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from penstock.config.pipeline import SourceConfig
from penstock.schemas.contract import Contract
from penstock.sources.casts import check_rows
from penstock.sources.files import Layout, PlannedFile, accepted_file, refused_file
from penstock.sources.formats.compression import (
    DAMAGED_GZIP,
    GZIP,
    HEADER_BYTES,
    gzip_reason,
    name_reasons,
    opened_text,
)
from penstock.sources.formats.csv_header import check_whole, header_reasons, read_header, split_header
from penstock.sources.formats.csv_rows import LINE, parse_lines, parser_options, read_csv
from penstock.sources.formats.protocol import Restored, StreamReader
from penstock.sources.formats.signatures import binary_kind, json_kind, markup_kind
from penstock.sources.formats.text_lines import count_lines
from penstock.sources.row_columns import SOURCE_FILE
from penstock.sources.text import restored_line
from penstock.spark.functions import quoted
from penstock.storage.files import FileStatus, Storage


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
                head = content.read(HEADER_BYTES)
                if kind := binary_kind(head):
                    return refused_file(path=path, status=status, reasons=[kind.reason("CSV")])
                reasons, layout = read_header(head, dialect=dialect, contract=contract)
                if path.endswith(GZIP) or dialect.multi_line:
                    reasons += check_whole(head, content, dialect=dialect)
            except DAMAGED_GZIP as error:
                return refused_file(path=path, status=status, reasons=[gzip_reason(error)])
        if reasons and (kind := markup_kind(head) or json_kind(head)):
            reasons = [kind.reason("CSV")]
        if reasons or layout is None:
            return refused_file(path=path, status=status, reasons=reasons)
        return accepted_file(path=path, status=status, layout=layout)

    def read(
        self, spark: SparkSession, files: Sequence[PlannedFile], *, source: SourceConfig, contract: Contract
    ) -> DataFrame:
        """Rows of CSV files that have the same header line. Blank lines are no rows."""
        return read_csv(
            spark, [file.path for file in files], layout=files[0].the_layout, contract=contract, dialect=source.csv
        )

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
        """Lines that are not blank, less the header; none where rows may span lines (source.csv.multi_line)."""
        if source.csv.multi_line:
            return {}
        return {path: max(0, lines - 1) for path, lines in count_lines(spark, source, files, is_named=is_named).items()}

    def restore(self, waiting: DataFrame, *, source: SourceConfig, contract: Contract) -> list[Restored]:
        """By the text that is kept, under its header; not where the header lacks a column of today's contract."""
        headers = sorted(row["header"] for row in waiting.select("header").distinct().collect())
        restored = []
        for header in headers:
            columns = split_header(header, source.csv)
            if header_reasons(columns, contract):
                continue
            layout = Layout(format=self.name, header=header, columns=tuple(columns))
            rows = waiting.where(F.col("header") == header)
            line = restored_line(F.col("raw"), F.col("reasons"), source.csv.encoding)
            lines = rows.select(line.alias(LINE), SOURCE_FILE)
            parsed = parse_lines(lines, layout=layout, contract=contract, dialect=source.csv)
            restored.append(Restored(waiting=rows, checked=check_rows(parsed, contract)))
        return restored

    def stream_reader(self, source: SourceConfig, contract: Contract) -> StreamReader:
        dialect = source.csv
        options = parser_options(dialect) | {
            "header": "true",
            "enforceSchema": "false",
            "encoding": dialect.encoding,
            "multiLine": str(dialect.multi_line).lower(),
        }
        del options["columnNameOfCorruptRecord"]
        schema = ", ".join(f"{quoted(source)} string" for source in contract.sources)
        return StreamReader(schema=schema, options=options)
