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
from penstock.sources.formats.parquet_types import schema_reasons, spark_type_of
from penstock.sources.formats.protocol import Restored, StreamReader, by_layout, one_row
from penstock.sources.row_checks import check_rows
from penstock.sources.row_columns import HEADER, IS_HEADER, RAW, ROW_REASON, SOURCE_FILE
from penstock.sources.text import DAMAGED_TEXT, has_damaged_one, printable
from penstock.spark.functions import quoted
from penstock.spark.paths import normal_path_column
from penstock.storage.files import FileStatus, Storage, is_of_content
from penstock.storage.paths import literal_glob

WORKERS = 16
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
        """By its footer: whether it opens, and its columns' types."""
        with storage.open(path) as file:
            try:
                parquet = pq.ParquetFile(file)
                schema, rows = parquet.schema_arrow, parquet.metadata.num_rows
            except (pa.ArrowException, OSError) as error:
                if isinstance(error, OSError) and not is_of_content(error):
                    raise
                # Arrow's words name its own options; what matters to a reader is that the file has no valid footer.
                reason = f"file: is not a readable Parquet file: {str(error).splitlines()[0]}"
                return refused_file(path=path, status=status, reasons=[reason])
        if reasons := schema_reasons(schema, contract):
            return refused_file(path=path, status=status, reasons=reasons)
        types = tuple((name, spark_type_of(schema.field(name).type) or "") for name in contract.sources)
        return accepted_file(path=path, status=status, layout=Layout(format=self.name, types=types), rows=rows)

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
        reader = spark.read.schema(", ".join(f"{quoted(source)} {kind}" for source, kind in types.items()))
        frame = reader.option("recursiveFileLookup", "true").parquet(*[literal_glob(file.path) for file in files])
        texts = [F.col(quoted(source)) for source, kind in types.items() if kind == "string"]
        is_damaged = has_damaged_one(texts)
        reason = F.when(is_damaged, F.lit(DAMAGED_TEXT)) if texts else F.lit(None)
        raw = as_json(types)
        return frame.select(
            *[F.col(quoted(field.source)).alias(field.name) for field in contract.fields],
            (F.when(is_damaged, printable(raw)).otherwise(raw) if texts else raw).alias(RAW),
            F.lit(None).cast("string").alias(HEADER),
            reason.cast("string").alias(ROW_REASON),
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


def as_json(types: Mapping[str, str]) -> Column:
    """The columns as JSON, from which a replay gets the same values. types: their Spark types, by name."""
    # A float is written with the digits that tell it from other floats, which as a double are another number.
    columns = [
        F.col(quoted(name)).cast("double").alias(name) if kind == "float" else F.col(quoted(name))
        for name, kind in types.items()
    ]
    return F.to_json(F.struct(*columns), JSON_OPTIONS)


def footer_rows(storage: Storage, path: str) -> int | None:
    try:
        with storage.open(path) as file:
            return int(pq.ParquetFile(file).metadata.num_rows)
    except (pa.ArrowException, OSError):
        return None


def check_json(rows: DataFrame, contract: Contract) -> DataFrame:
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
