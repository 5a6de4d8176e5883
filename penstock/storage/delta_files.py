"""Reads a Delta table file by file, without Spark: of 100,000 files deltalake's dataset takes minutes to be built.

The tables are not partitioned, so that a file has all columns of its rows.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable
from deltalake.exceptions import DeltaProtocolError
from deltalake.fs import DeltaStorageHandler
from pyarrow.fs import FileSystem, LocalFileSystem, PyFileSystem, SubTreeFileSystem

from penstock.storage.deletion_vectors import DELETION_VECTORS, file_name, kept_rows

#: A feature of a table by which its files have other columns than it.
COLUMN_MAPPING = "columnMapping"
#: On S3 each file is a few requests, one after the other.
READERS = 8
#: A larger file is streamed, a smaller one read whole, several at a time.
SMALL_FILE_BYTES = 1 << 20
BATCH_ROWS = 500


@dataclass(frozen=True, kw_only=True)
class DataFile:
    """A file of a table's version. rows and the bounds of its columns are None where the log does not have them.

    least, most: the bounds by column; of long texts a beginning, which still bounds.
    """

    path: str
    length: int
    rows: int | None
    least: dict[str, Any]
    most: dict[str, Any]

    def may_have(self, column: str, value: Any) -> bool:
        least, most = self.least.get(column), self.most.get(column)
        return (least is None or least <= value) and (most is None or value <= most)


def data_files(table: DeltaTable, columns: Sequence[str] = ()) -> list[DataFile]:
    """The files of the table, from its log alone. columns: those whose bounds are wanted."""
    actions = pa.table(table.get_add_actions(flatten=True))
    names = ["path", "size_bytes", "num_records", *[f"{end}.{name}" for name in columns for end in ("min", "max")]]
    found = actions.select([name for name in names if name in actions.column_names]).to_pylist()
    return [
        DataFile(
            path=unquote(row["path"]),
            length=row["size_bytes"],
            rows=row.get("num_records"),
            least={name: row.get(f"min.{name}") for name in columns},
            most={name: row.get(f"max.{name}") for name in columns},
        )
        for row in found
    ]


def read_files(
    table: DeltaTable, files: Iterable[DataFile], columns: Sequence[str], *, batch_rows: int = BATCH_ROWS
) -> Iterator[pa.RecordBatch]:
    """The rows of these files that are not deleted, file by file in the order given, at most `batch_rows` at a time.

    Raises OSError, pyarrow's ArrowException, and DeltaProtocolError for a table that can't be read by its files alone.
    """
    features = table.protocol().reader_features or ()
    if COLUMN_MAPPING in features:
        raise DeltaProtocolError(f"the table has {COLUMN_MAPPING}, and its files are not read by column names")
    kept = kept_rows(table) if DELETION_VECTORS in features else {}
    files = list(files)
    folder, of_table = file_system(table, files), pa.schema(table.schema().to_arrow())
    schema = pa.schema([of_table.field(name) for name in columns])

    def batches_of(file: DataFile) -> Iterator[pa.RecordBatch]:
        with pq.ParquetFile(folder.open_input_file(file.path)) as content:
            known, place = [name for name in columns if name in content.schema_arrow.names], 0
            keep = kept.get(file_name(file.path))
            for rows in content.iter_batches(batch_rows, columns=known, use_threads=False):
                still_there = rows if keep is None else rows.filter(pa.array(keep[place : place + len(rows)]))
                place += len(rows)
                yield fitted(still_there, schema)

    def whole(file: DataFile) -> list[pa.RecordBatch]:
        return list(batches_of(file))

    waiting: deque[tuple[DataFile, Future[list[pa.RecordBatch]] | None]] = deque()

    def first() -> Iterator[pa.RecordBatch]:
        file, reading = waiting.popleft()
        if reading is not None:
            yield from reading.result()
            return
        yield from batches_of(file)

    with ThreadPoolExecutor(max_workers=READERS) as pool:
        try:
            for file in files:
                waiting.append((file, pool.submit(whole, file) if file.length <= SMALL_FILE_BYTES else None))
                if len(waiting) > 2 * READERS:
                    yield from first()
            while waiting:
                yield from first()
        finally:
            pool.shutdown(cancel_futures=True)


def fitted(rows: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """With the table's columns and types: nulls for a column that is younger than the file."""
    columns = [
        rows[field.name].cast(field.type) if field.name in rows.schema.names else pa.nulls(len(rows), field.type)
        for field in schema
    ]
    return pa.record_batch(columns, schema=schema)


def file_system(table: DeltaTable, files: Iterable[DataFile]) -> FileSystem:
    """The table's folder. deltalake's own for a local one takes three times as long; for a store it asks for the length
    of a file that it does not know, and holds all other threads of Python until it has the answer."""
    uri = table.table_uri
    if uri.startswith("file://"):
        return SubTreeFileSystem(unquote(uri.removeprefix("file://")), LocalFileSystem())
    sizes = {file.path: file.length for file in files}
    return PyFileSystem(DeltaStorageHandler.from_table(table._table, table._storage_options, sizes))
