"""The values of exogenous variables: a Delta table at a version, or a CSV or Parquet file, read without Spark."""

import io
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.csv as pcsv
import pyarrow.parquet as pq
from deltalake import DeltaTable

from penstock.config.exogenous import ExogenousConfig
from penstock.config.locations import is_on_s3
from penstock.config.pipeline import PipelineConfig
from penstock.config.sections import FrozenModel
from penstock.errors import ExogenousError
from penstock.series.exogenous_types import typed
from penstock.storage.deletion_vectors import DELETION_VECTORS
from penstock.storage.delta_files import data_files, read_files
from penstock.storage.delta_reader import READ_ERRORS, open_delta, reason_of
from penstock.storage.files import Storage, is_of_content
from penstock.storage.routing import storage_of

#: Whatever ends otherwise is a Delta table.
FILE_ENDINGS = (".csv", ".parquet")
BATCH_ROWS = 1 << 16


class ExogenousSource(FrozenModel):
    """What is read. version: of a Delta table; None for a file."""

    path: str
    version: int | None = None

    @property
    def described(self) -> str:
        return self.path if self.version is None else f"{self.path}, version {self.version}"


def is_file(path: str) -> bool:
    """Whether it is a CSV or Parquet file, by its name; else it is a Delta table."""
    return path.lower().endswith(FILE_ENDINGS)


def newest_source(config: PipelineConfig) -> ExogenousSource:
    """What `series.exogenous` names, a Delta table at its newest version. Raises ExogenousError, OSError."""
    path = the_exogenous(config).path
    if is_file(path):
        return ExogenousSource(path=path)
    return ExogenousSource(path=path, version=delta_table(config, ExogenousSource(path=path)).version())


def read_exogenous(
    config: PipelineConfig, source: ExogenousSource | None = None, *, storage: Storage | None = None
) -> pa.Table:
    """The values as `series_id` (string; only with `exogenous.id`), `ds` (timestamp[us, UTC]) and the columns of
    `exogenous.columns` (double, null where missing), one row for each series and ds, in no promised order.

    source: default what the config names, as it is now. A time without a zone is UTC. Equal rows count once.
    Raises ExogenousError, and OSError where the store can't be read.
    """
    exogenous, read = the_exogenous(config), source or newest_source(config)
    if is_file(read.path):
        return values_of_file(config, file_content(storage or storage_of(config), read.path), read.path)
    raw = table_columns(delta_table(config, read), exogenous.names, read)
    return typed(raw, exogenous, described=read.described)


def read_newest(config: PipelineConfig) -> tuple[ExogenousSource, pa.Table]:
    """What the config names as it is now, for those that can't go on without it. Raises ExogenousError."""
    try:
        source = newest_source(config)
        return source, read_exogenous(config, source)
    except OSError as error:
        raise ExogenousError(
            f"{the_exogenous(config).path}: can't be read: {reason_of(error)}; look for missing files and permissions "
            "there"
        ) from None


def file_content(storage: Storage, path: str) -> bytes:
    """Raises ExogenousError where there is no file, and OSError where it can't be read."""
    try:
        content = storage.read(path)
    except IsADirectoryError:
        raise ExogenousError(f"{path}: is a folder; name one file in series.exogenous.path, or a Delta table") from None
    if content is None:
        raise ExogenousError(f"{path}: there is no such file; put it there, or name another in series.exogenous.path")
    return content


def values_of_file(config: PipelineConfig, content: bytes, path: str) -> pa.Table:
    """The values, as of `read_exogenous`, in a file's content. path: its name, also for messages."""
    exogenous = the_exogenous(config)
    return typed(file_columns(content, path, exogenous.names), exogenous, described=path)


def the_exogenous(config: PipelineConfig) -> ExogenousConfig:
    exogenous = config.the_series.exogenous
    if exogenous is None:
        raise ValueError("this pipeline has no series.exogenous")
    return exogenous


def delta_table(config: PipelineConfig, source: ExogenousSource) -> DeltaTable:
    try:
        table = open_delta(source.path, config.s3, version=source.version)
    except READ_ERRORS as error:
        raise ExogenousError(f"{source.described}: can't be read: {reason_of(error)}; restore it") from None
    if table is None:
        raise ExogenousError(
            f"{source.path}: is no Delta table, and does not end with {' or '.join(FILE_ENDINGS)}; create it, or name "
            "another in series.exogenous.path"
        )
    return table


def file_columns(content: bytes, path: str, names: Sequence[str]) -> pa.Table:
    """These columns of a file, as its types have them; all of a CSV file are texts."""
    try:
        if path.lower().endswith(".parquet"):
            # A Parquet file's own names may be nested; only whole columns are asked for.
            with pq.ParquetFile(io.BytesIO(content)) as file:
                check_columns(file.schema_arrow.names, names, path)
                return file.read(list(names))
        with pcsv.open_csv(io.BytesIO(content)) as reader:
            check_columns(reader.schema.names, names, path)
        options = pcsv.ConvertOptions(
            include_columns=list(names),
            column_types=dict.fromkeys(names, pa.string()),
            null_values=[""],
            strings_can_be_null=True,
        )
        return pcsv.read_csv(io.BytesIO(content), convert_options=options)
    except UnicodeDecodeError:
        raise ExogenousError(f"{path}: its header is not UTF-8; write it again as UTF-8") from None
    # Damaged pages are an OSError of Arrow.
    except (pa.ArrowException, OSError) as error:
        raise ExogenousError(f"{path}: can't be read: {reason_of(error)}; write it again") from None


def table_columns(table: DeltaTable, names: Sequence[str], source: ExogenousSource) -> pa.Table:
    """These columns of a Delta table."""
    schema = pa.schema(table.schema().to_arrow())
    check_columns(schema.names, names, source.described)
    try:
        if DELETION_VECTORS not in (table.protocol().reader_features or ()):
            return table.to_pyarrow_table(columns=list(names))
        if table.metadata().partition_columns:
            raise ExogenousError(
                f"{source.described}: is partitioned and has deletion vectors, which are not read together; write it "
                "without partitions"
            )
        batches = read_files(table, data_files(table), names, batch_rows=BATCH_ROWS)
        return pa.Table.from_batches(batches, schema=pa.schema([schema.field(name) for name in names]))
    except (*READ_ERRORS, OSError) as error:
        if isinstance(error, OSError) and not is_lost(error, source.path):
            raise
        raise ExogenousError(f"{source.described}: can't be read: {reason_of(error)}; restore it") from None


def is_lost(error: OSError, path: str) -> bool:
    """Whether a table's file is gone or damaged. Of S3, whose own trouble has no number either, only if it is gone."""
    return isinstance(error, FileNotFoundError) or (is_of_content(error) and not is_on_s3(path))


def check_columns(found: Sequence[str], names: Sequence[str], described: str) -> None:
    missing = [name for name in names if name not in found]
    if missing:
        raise ExogenousError(
            f"{described}: has no column {', '.join(missing)}, only {', '.join(found)}; name its columns in "
            "series.exogenous"
        )
    twice = [name for name in names if list(found).count(name) > 1]
    if twice:
        raise ExogenousError(f"{described}: has the column {', '.join(twice)} more than once; rename one of them")
