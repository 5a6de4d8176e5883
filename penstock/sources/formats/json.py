"""JSON lines: one object a line, members by name; every value as the text it is written with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import BinaryIO

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from penstock.config.pipeline import SourceConfig
from penstock.schemas.contract import Contract
from penstock.sources.files import Layout, PlannedFile, accepted_file, refused_file
from penstock.sources.formats.compression import (
    DAMAGED_GZIP,
    GZIP,
    HEADER_BYTES,
    chunks,
    gzip_reason,
    name_reasons,
    opened_text,
    read_head,
)
from penstock.sources.formats.line_lengths import LineLengths, long_line_reasons
from penstock.sources.formats.protocol import Restored, StreamReader, by_layout, one_row
from penstock.sources.formats.signatures import UTF8_MARK, binary_kind, markup_kind
from penstock.sources.formats.text_lines import count_lines
from penstock.sources.row_checks import check_rows
from penstock.sources.row_columns import HEADER, IS_HEADER, RAW, ROW_REASON, SOURCE_FILE
from penstock.sources.text import (
    DAMAGED_BYTES,
    DAMAGED_TEXT,
    REPLACEMENT_CHARACTER,
    decoded,
    has_damaged_text,
    has_one,
    has_text,
    printable,
    restored_line,
)
from penstock.spark.file_reader import file_reader
from penstock.spark.functions import quoted, split_json_line
from penstock.spark.paths import normal_path_column
from penstock.storage.files import FileStatus, Storage

ENCODING = "UTF-8"
LINE = "_line"
OBJECT = "_object"


@dataclass(frozen=True)
class JsonLines:
    name: str = "json"
    endings: tuple[str, ...] = (".json", ".json.gz", ".jsonl", ".jsonl.gz", ".ndjson", ".ndjson.gz")
    has_header: bool = False

    def admit(
        self, path: str, status: FileStatus, *, storage: Storage, source: SourceConfig, contract: Contract
    ) -> PlannedFile:
        """By its name, its first character and, read to the end, its compression. What is wrong with a line costs that
        line alone."""
        if against_name := name_reasons(path):
            return refused_file(path=path, status=status, reasons=against_name)
        with opened_text(storage, path) as content:
            try:
                head = read_head(content, HEADER_BYTES, is_enough=has_second_line)
                if kind := binary_kind(head) or markup_kind(head):
                    return refused_file(path=path, status=status, reasons=[kind.reason("JSON lines")])
                reasons = (
                    whole_reasons(head, content) if path.endswith(GZIP) else long_line_reasons(content, status.length)
                )
            except DAMAGED_GZIP as error:
                return refused_file(path=path, status=status, reasons=[gzip_reason(error)])
        if reason := shape_reason(head):
            reasons.insert(0, reason)
        if reasons:
            return refused_file(path=path, status=status, reasons=reasons)
        return accepted_file(path=path, status=status, layout=Layout(format=self.name))

    def reading_groups(
        self, files: Sequence[PlannedFile], *, source: SourceConfig, contract: Contract
    ) -> list[list[PlannedFile]]:
        return by_layout(files)

    def read(
        self, spark: SparkSession, files: Sequence[PlannedFile], *, source: SourceConfig, contract: Contract
    ) -> DataFrame:
        """One line, one row. Blank lines are no rows."""
        paths = [file.path for file in files]
        lines = (
            file_reader(spark, paths)
            .text(paths)
            .select(
                decoded(F.col("value"), ENCODING).alias(LINE),
                normal_path_column(F.col("_metadata.file_path")).alias(SOURCE_FILE),
            )
        )
        return parse_lines(lines, contract)

    def empty_row(self, spark: SparkSession, *, source: SourceConfig, contract: Contract) -> DataFrame:
        lines = spark.range(1).select(one_row("{}").alias(LINE), one_row("").alias(SOURCE_FILE))
        return parse_lines(lines, contract)

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
        """Lines that are not blank."""
        return count_lines(spark, source, files, is_named=is_named)

    def restore(self, waiting: DataFrame, *, source: SourceConfig, contract: Contract) -> list[Restored]:
        """By the line that is kept."""
        line = restored_line(F.col("raw"), F.col("reasons"), ENCODING)
        lines = waiting.select(line.alias(LINE), SOURCE_FILE)
        checked = check_rows(parse_lines(lines, contract), contract.with_decimal_points)
        return [Restored(waiting=waiting, checked=checked)]

    def stream_reader(self, source: SourceConfig, contract: Contract) -> StreamReader:
        return StreamReader(schema=", ".join(f"{quoted(name)} string" for name in contract.sources), options={})


def has_second_line(head: bytes) -> bool:
    """Whether `shape_reason` would say the same of more of the file."""
    return len(head.removeprefix(UTF8_MARK).lstrip().splitlines()) > 1


def whole_reasons(head: bytes, rest: BinaryIO) -> list[str]:
    """Read the file to its end: a broken gzip raises here, on the driver, and a line that is too long is seen."""
    lengths = LineLengths()
    for chunk in chunks(head, rest):
        lengths.add(chunk)
    return lengths.reasons


def shape_reason(head: bytes) -> str | None:
    """Why the file is not JSON lines, by its beginning."""
    text = head.removeprefix(UTF8_MARK).lstrip()
    if not text:
        is_whole = len(head) < HEADER_BYTES
        return "file: has only blank lines; expected JSON objects, one a line" if is_whole else None
    if text.startswith(b"["):
        return "file: is a JSON array; expected objects, one a line, without commas between them"
    first, *others = text.splitlines()
    if first.strip() == b"{" and others:
        return "file: has a JSON object over several lines; expected one a line"
    return None


def parse_lines(lines: DataFrame, contract: Contract) -> DataFrame:
    """Rows of lines of text (`_line`, `source_file`), with the columns of `row_columns`."""
    is_row, parsed, columns = line_expressions(contract)
    return lines.where(is_row).select(LINE, SOURCE_FILE, parsed).select(*columns)


@lru_cache(maxsize=32)
def line_expressions(contract: Contract) -> tuple[Column, Column, tuple[Column, ...]]:
    """Whether a line counts, its members, and the columns of `parse_lines`; kept, as the next batch has the same."""
    line = F.col(LINE)
    is_damaged = has_damaged_text(line)
    reason = free_name("_reason", contract.sources)
    members = split_json_line(
        F.when(~is_damaged, line), contract.sources, reason=reason, refuse_others=contract.extra_columns == "refuse"
    )
    texts = [F.col(f"{OBJECT}.{quoted(field.source)}") for field in contract.fields]
    # An escape can stand for that character, too; it is looked for in such lines only.
    is_escaped = F.lower(line).contains("\\ufffd") & has_one(texts, lambda text: text.contains(REPLACEMENT_CHARACTER))
    columns = (
        *[text.alias(field.name) for text, field in zip(texts, contract.fields, strict=True)],
        F.when(is_damaged, printable(line)).otherwise(line).alias(RAW),
        F.lit(None).cast("string").alias(HEADER),
        F.when(is_damaged, F.lit(f"{DAMAGED_BYTES}{ENCODING}"))
        .when(is_escaped, F.lit(DAMAGED_TEXT))
        .otherwise(F.col(f"{OBJECT}.{reason}"))
        .alias(ROW_REASON),
        F.lit(False).alias(IS_HEADER),
        F.col(SOURCE_FILE),
    )
    return has_text(line), members.alias(OBJECT), columns


def free_name(name: str, taken: Sequence[str]) -> str:
    """`name`, longer by as many `_` as it takes to differ from the others, whatever their case."""
    others = {other.lower() for other in taken}
    while name in others:
        name += "_"
    return name
