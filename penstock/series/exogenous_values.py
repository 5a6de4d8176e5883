"""The values of exogenous variables: a Delta table at a version, or a CSV or Parquet file, read without Spark."""

import io
from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pcsv
import pyarrow.parquet as pq
from deltalake import DeltaTable

from penstock.config.exogenous import ExogenousConfig
from penstock.config.pipeline import PipelineConfig
from penstock.config.sections import FrozenModel
from penstock.errors import ExogenousError
from penstock.storage.deletion_vectors import DELETION_VECTORS
from penstock.storage.delta_files import data_files, read_files
from penstock.storage.delta_reader import READ_ERRORS, open_delta, reason_of
from penstock.storage.files import Storage
from penstock.storage.routing import storage_of

SERIES_ID, DS = "series_id", "ds"
TIME = pa.timestamp("us", tz="UTC")
#: Whatever ends otherwise is a Delta table.
FILE_ENDINGS = (".csv", ".parquet")
NULL_TEXTS = ["", "NA", "NaN", "nan", "null"]
#: After a time of day: Z, +02:00, -0500.
ZONE = r":\d{2}.*(Z|[+-]\d{2}:?\d{2})$"
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
    names = [*([exogenous.id] if exogenous.id is not None else []), exogenous.time, *exogenous.columns]
    if is_file(read.path):
        content = (storage or storage_of(config)).read(read.path)
        if content is None:
            raise ExogenousError(
                f"{read.path}: there is no such file; put it there, or name another in series.exogenous.path"
            )
        return typed(file_columns(content, read.path, names), exogenous, described=read.described)
    return typed(table_columns(delta_table(config, read), names, read), exogenous, described=read.described)


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
            null_values=NULL_TEXTS,
            strings_can_be_null=True,
        )
        return pcsv.read_csv(io.BytesIO(content), convert_options=options)
    except pa.ArrowException as error:
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
    except READ_ERRORS as error:
        raise ExogenousError(f"{source.described}: can't be read: {reason_of(error)}; restore it") from None


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


def typed(raw: pa.Table, exogenous: ExogenousConfig, *, described: str) -> pa.Table:
    """The columns of `read_exogenous`. described: the source, for messages. Raises ExogenousError."""
    columns: dict[str, pa.ChunkedArray] = {}
    if exogenous.id is not None:
        columns[SERIES_ID] = ids(raw[exogenous.id], f"{described}: {exogenous.id}")
    columns[DS] = times(raw[exogenous.time], f"{described}: {exogenous.time}")
    for name in exogenous.columns:
        columns[name] = numbers(raw[name], f"{described}: {name}")
    return without_copies(pa.table(columns), exogenous.columns, described)


def ids(values: pa.ChunkedArray, what: str) -> pa.ChunkedArray:
    if not (is_text(values.type) or pa.types.is_integer(values.type)):
        raise ExogenousError(f"{what} is a {values.type}, expected a text or an integer")
    return without_nulls(values.cast(pa.string()), what)


def times(values: pa.ChunkedArray, what: str) -> pa.ChunkedArray:
    if not (is_text(values.type) or pa.types.is_timestamp(values.type) or pa.types.is_date(values.type)):
        raise ExogenousError(f"{what} is a {values.type}, expected a timestamp, a date, or an ISO 8601 text")
    if is_text(values.type):
        return without_nulls(
            parsed(values, times_of_texts, what, "a time such as 2024-05-01 or 2024-05-01T12:00"), what
        )
    if pa.types.is_timestamp(values.type) and values.type.tz is not None:
        return without_nulls(values.cast(TIME, safe=False), what)
    return without_nulls(pc.assume_timezone(values.cast(pa.timestamp("us"), safe=False), "UTC"), what)


def times_of_texts(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    has_zone, nothing = pc.match_substring_regex(texts, ZONE), pa.scalar(None, pa.string())
    with_zone = pc.if_else(has_zone, texts, nothing).cast(TIME)
    without_zone = pc.if_else(has_zone, nothing, texts).cast(pa.timestamp("us"))
    return pc.coalesce(with_zone, pc.assume_timezone(without_zone, "UTC"))


def numbers(values: pa.ChunkedArray, what: str) -> pa.ChunkedArray:
    """double; a NaN is null."""
    kind = values.type
    if is_text(kind):
        found = parsed(values, lambda texts: texts.cast(pa.float64()), what, "a number")
    elif any(check(kind) for check in (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal)):
        found = values.cast(pa.float64(), safe=False)
    elif pa.types.is_boolean(kind) or pa.types.is_null(kind):
        found = values.cast(pa.float64())
    else:
        raise ExogenousError(f"{what} is a {kind}, expected numbers")
    if pc.any(pc.is_inf(found)).as_py():
        raise ExogenousError(f"{what} has an infinite value; leave it empty where there is none")
    return pc.if_else(pc.is_nan(found), pa.scalar(None, pa.float64()), found)


def parsed(values: pa.ChunkedArray, parse: Callable[[Any], Any], what: str, expected: str) -> pa.ChunkedArray:
    texts = pc.utf8_trim_whitespace(values.cast(pa.string()))
    try:
        return parse(texts)
    except pa.ArrowInvalid:
        wrong = next(text for text in texts if not can_parse(text, parse))
        raise ExogenousError(f"{what} has {wrong.as_py()!r}, which is not {expected}; correct it") from None


def can_parse(text: pa.Scalar, parse: Callable[[Any], Any]) -> bool:
    try:
        parse(pa.chunked_array([pa.array([text.as_py()], pa.string())]))
    except pa.ArrowInvalid:
        return False
    return True


def is_text(kind: pa.DataType) -> bool:
    return any(check(kind) for check in (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view))


def without_nulls(values: pa.ChunkedArray, what: str) -> pa.ChunkedArray:
    if values.null_count:
        raise ExogenousError(f"{what} is empty in {values.null_count:,} rows; a row needs one")
    return values


def without_copies(table: pa.Table, columns: Sequence[str], described: str) -> pa.Table:
    """One row for each series and ds. Raises ExogenousError where two have different values."""
    keys = [name for name in table.column_names if name not in columns]
    if table.group_by(keys).aggregate([]).num_rows == table.num_rows:
        return table
    asked = [(name, how) for name in columns for how in ("min", "max", "count")]
    groups = table.group_by(keys).aggregate([*asked, ([], "count_all")])
    differ = pc.is_null(groups[keys[0]])
    for name in columns:
        counted = groups[f"{name}_count"]
        is_partly_null = pc.and_(pc.greater(counted, 0), pc.less(counted, groups["count_all"]))
        unequal = pc.fill_null(pc.not_equal(groups[f"{name}_min"], groups[f"{name}_max"]), False)
        differ = pc.or_(differ, pc.or_(is_partly_null, unequal))
    contradictions = groups.filter(differ)
    if contradictions.num_rows:
        first = contradictions.slice(0, 1).to_pylist()[0]
        series = f"series {first[SERIES_ID]}, " if SERIES_ID in keys else ""
        raise ExogenousError(
            f"{described}: has two rows with different values for {series}{first[DS]:%Y-%m-%d %H:%M:%S} "
            f"({contradictions.num_rows:,} such); leave one of them"
        )
    return groups.select([*keys, *[f"{name}_min" for name in columns]]).rename_columns([*keys, *columns])
