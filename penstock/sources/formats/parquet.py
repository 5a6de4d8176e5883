"""Parquet: columns by name, in the file's own types; the footer says how many rows there are."""

import json
import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from penstock.config.pipeline import SourceConfig
from penstock.schemas.contract import Contract, Field
from penstock.schemas.tables import spark_type
from penstock.sources.casts import JSON_TEXT
from penstock.sources.files import Layout, PlannedFile, accepted_file, refused_file
from penstock.sources.formats.parquet_chunks import FooterReader, chunk_reasons
from penstock.sources.formats.parquet_times import (
    FINER_TEXT,
    is_finer,
    microseconds,
    nanosecond_text,
    read_type,
    too_fine,
    too_fine_text,
)
from penstock.sources.formats.parquet_types import (
    NAMES_NOT_UTF8,
    NANOSECONDS,
    NOTHING,
    parquet_columns,
    schema_reasons,
)
from penstock.sources.formats.protocol import Restored, StreamReader, by_layout, one_row
from penstock.sources.formats.signatures import ENCRYPTED, HEAD_BYTES, PARQUET_FILE, Kind, any_kind
from penstock.sources.row_checks import check_rows
from penstock.sources.row_columns import HEADER, IS_HEADER, RAW, ROW_REASON, SOURCE_FILE
from penstock.sources.text import DAMAGED_TEXT, NUL_BYTE, has_damaged_one, has_one, printable
from penstock.spark.file_reader import file_reader
from penstock.spark.functions import quoted
from penstock.spark.paths import normal_path_column
from penstock.storage.files import FileStatus, Storage, is_of_content

WORKERS = 16
READ_OPTIONS = {
    "recursiveFileLookup": "true",
    # Dates and times are what the file has. (Those that Spark itself wrote by its old calendar are marked as such, and
    # Spark converts them; it does not ask these options then.) Spark's other setting fails on dates before 1900.
    "datetimeRebaseMode": "CORRECTED",
    "int96RebaseMode": "CORRECTED",
}
#: How a row is kept as JSON. Spark's own formats end with the milliseconds.
JSON_OPTIONS = {
    "ignoreNullFields": "false",
    "timestampFormat": "yyyy-MM-dd'T'HH:mm:ss.SSSSSSXXX",
    "timestampNTZFormat": "yyyy-MM-dd'T'HH:mm:ss.SSSSSS",
}


@dataclass(frozen=True)
class Parquet:
    name: str = "parquet"
    endings: tuple[str, ...] = (".parquet", ".pq")
    has_header: bool = False

    def admit(
        self, path: str, status: FileStatus, *, storage: Storage, source: SourceConfig, contract: Contract
    ) -> PlannedFile:
        """By its footer: whether it opens, its columns' types, and whether Spark can unpack and decode them."""
        try:
            with storage.open(path) as file:
                footer = FooterReader(file)
                parquet = pq.ParquetFile(footer)
                if footer.has_encrypted_columns(parquet.metadata):
                    return refused_file(path=path, status=status, reasons=[unreadable_as(ENCRYPTED)])
                names, columns = parquet_columns(parquet)
                reasons = schema_reasons(names, columns, contract, path=path)
                leaves = {} if reasons else {name: columns[name].leaf or 0 for name in contract.sources}
                reasons += chunk_reasons(parquet.metadata, leaves)
        except (pa.ArrowException, OSError) as error:
            if isinstance(error, OSError) and not is_of_content(error):
                raise
            return refused_file(path=path, status=status, reasons=[why_unreadable(storage, path, error)])
        except UnicodeDecodeError:
            return refused_file(path=path, status=status, reasons=[f"schema: {NAMES_NOT_UTF8}"])
        if reasons:
            return refused_file(path=path, status=status, reasons=reasons)
        types = tuple((name, columns[name].read_as or "") for name in contract.sources)
        layout = Layout(format=self.name, types=types)
        return accepted_file(path=path, status=status, layout=layout, rows=parquet.metadata.num_rows)

    def reading_groups(
        self, files: Sequence[PlannedFile], *, source: SourceConfig, contract: Contract
    ) -> list[list[PlannedFile]]:
        return by_layout(files)

    def read(
        self, spark: SparkSession, files: Sequence[PlannedFile], *, source: SourceConfig, contract: Contract
    ) -> DataFrame:
        """A column keeps its file's type until the contract casts it."""
        of_file = dict(files[0].the_layout.types)
        types = {source: of_file[source] for source in contract.sources}
        columns = ", ".join(f"{quoted(source)} {read_type(kind)}" for source, kind in types.items())
        paths = [file.path for file in files]
        frame = file_reader(spark, paths).schema(columns).options(**READ_OPTIONS).parquet(*paths)
        texts = [F.col(quoted(source)) for source, kind in types.items() if kind == "string"]
        raw = as_json(types)
        return frame.select(
            *[value_of(field, types[field.source]).alias(field.name) for field in contract.fields],
            (F.when(has_damaged_one(texts), printable(raw)).otherwise(raw) if texts else raw).alias(RAW),
            F.lit(None).cast("string").alias(HEADER),
            row_reason(texts, types).alias(ROW_REASON),
            F.lit(False).alias(IS_HEADER),
            normal_path_column(F.col("_metadata.file_path")).alias(SOURCE_FILE),
        )

    def empty_row(self, spark: SparkSession, *, source: SourceConfig, contract: Contract) -> DataFrame:
        """Of the contract's own types."""
        types = [(field.name, spark_type(field)) for field in contract.fields]
        texts = dict.fromkeys((RAW, HEADER, ROW_REASON), "string")
        return spark.range(1).select(
            *[one_row("").try_cast(kind).alias(name) for name, kind in types],
            *[F.lit(None).cast(kind).alias(name) for name, kind in texts.items()],
            F.lit(False).alias(IS_HEADER),
            one_row("").alias(SOURCE_FILE),
        )

    def verify(self, file: PlannedFile, *, storage: Storage, contract: Contract) -> str | None:
        """The footer may be whole where the pages are not. Raises MemoryError, Arrow's own among them."""
        try:
            with storage.open(file.path) as content:
                for _ in pq.ParquetFile(content).iter_batches(columns=list(contract.sources)):
                    pass
        except (FileNotFoundError, MemoryError):
            raise  # no fault of the content, though Arrow's MemoryError is an ArrowException
        except (pa.ArrowException, OSError) as error:
            if isinstance(error, OSError) and not is_of_content(error):
                raise
            return f"file: its footer is whole, its pages are damaged: {str(error).splitlines()[0]}"
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
        """As the footers say; without the files that don't open."""
        with ThreadPoolExecutor(max_workers=WORKERS) as pool:
            footers = zip(files, pool.map(lambda path: footer_rows(storage, path), files), strict=True)
            return {path: rows for path, rows in footers if rows is not None}

    def restore(self, waiting: DataFrame, *, source: SourceConfig, contract: Contract) -> list[Restored]:
        """By the JSON that is kept."""
        return [Restored(waiting=waiting, checked=check_json(waiting, contract))]

    def stream_reader(self, source: SourceConfig, contract: Contract) -> StreamReader:
        columns = [f"{quoted(field.source)} {spark_type(field).simpleString()}" for field in contract.fields]
        return StreamReader(schema=", ".join(columns), options={})


def why_unreadable(storage: Storage, path: str, error: Exception) -> str:
    """Arrow's words, or what the file is by its first bytes."""
    with storage.open(path) as file:
        kind = any_kind(file.read(HEAD_BYTES))
    if kind is PARQUET_FILE and "encrypt" in str(error).lower():
        kind = ENCRYPTED
    if kind is not None and kind is not PARQUET_FILE:
        return unreadable_as(kind)
    # Arrow's words name its own options; what matters to a reader is that the file has no valid footer.
    return f"file: is not a readable Parquet file: {str(error).splitlines()[0]}"


def unreadable_as(kind: Kind) -> str:
    return f"file: is not a readable Parquet file: {kind.found}"


def value_of(field: Field, kind: str) -> Column:
    """The field's value as the contract casts it. kind: of its column, as the layout has it."""
    if kind == NOTHING:
        return F.lit(None).cast(spark_type(field))
    return microseconds(field.source, kind) if kind in NANOSECONDS else F.col(quoted(field.source))


def row_reason(texts: Sequence[Column], types: Mapping[str, str]) -> Column:
    """Why a row as a whole can't be used: damaged text, a NUL byte, times that would lose nanoseconds."""
    finer = [(is_finer(name), too_fine(name, kind)) for name, kind in types.items() if kind in NANOSECONDS]
    found = [F.when(has_damaged_one(texts), F.lit(DAMAGED_TEXT))] if texts else []
    return F.coalesce(*found, nul_reason(texts), *[F.when(is_so, reason) for is_so, reason in finer])


def nul_reason(texts: Sequence[Column]) -> Column:
    """As for a row of CSV or JSON; null where there is none."""
    nothing = F.lit(None).cast("string")
    return F.when(has_one(texts, lambda text: text.contains("\0")), F.lit(NUL_BYTE)) if texts else nothing


def as_json(types: Mapping[str, str]) -> Column:
    """The columns as JSON, from which a replay gets the same values. types: their kinds in the layout, by name."""
    return F.to_json(F.struct(*[for_json(name, kind).alias(name) for name, kind in types.items()]), JSON_OPTIONS)


def for_json(name: str, kind: str) -> Column:
    if kind in NANOSECONDS:
        return nanosecond_text(name, kind)
    # A float is written with the digits that tell it from other floats, which as a double are another number.
    return F.col(quoted(name)).cast("double") if kind == "float" else F.col(quoted(name))


def footer_rows(storage: Storage, path: str) -> int | None:
    try:
        with storage.open(path) as file:
            return int(pq.ParquetFile(file).metadata.num_rows)
    except (pa.ArrowException, OSError, UnicodeDecodeError):
        return None


def check_json(rows: DataFrame, contract: Contract) -> DataFrame:
    """Rows from Parquet files: the values of their JSON as text, which has ISO dates whatever the CSV's format."""
    schema = ", ".join(f"{quoted(source)} string" for source in contract.sources)
    fields = contract.with_decimal_points.fields
    plain = replace(contract, fields=tuple(replace(field, format=None) for field in fields))
    texts = [F.col(f"_json.{quoted(field.source)}") for field in contract.fields if field.type == "string"]
    times = [(field.source, F.col(f"_json.{quoted(field.source)}")) for field in fields if field.type == "timestamp"]
    # As `row_reason` has it: a row that is checked again is rejected for the same reason.
    finer = [F.when(text.rlike(FINER_TEXT), too_fine_text(name, text)) for name, text in times]
    frame = rows.withColumn("_json", F.from_json("raw", schema)).select(
        *[json_text(field).alias(field.name) for field in contract.fields],
        F.col("raw").alias(RAW),
        F.lit(None).cast("string").alias(HEADER),
        F.coalesce(nul_reason(texts), *finer).alias(ROW_REASON),
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
