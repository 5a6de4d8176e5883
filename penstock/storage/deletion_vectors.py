"""Registers a Delta table with deletion vectors in DuckDB, without its deleted rows. Retention creates such tables.

deltalake gives no dataset of such a table. Files without a deletion vector are registered as a lazy dataset; of the
others, which retention has deleted rows from, the remaining rows are read into memory.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from deltalake import DeltaTable
from deltalake.fs import DeltaStorageHandler
from pyarrow.fs import PyFileSystem

from penstock.storage.catalog_columns import with_new_columns

if TYPE_CHECKING:
    # Streams read tables without it, and it prints to the console when their process ends.
    import duckdb

DELETION_VECTORS = "deletionVectors"


def register_undeleted(connection: "duckdb.DuckDBPyConnection", name: str, table: DeltaTable) -> None:
    """Create the view `name` over the rows of `table` that are not deleted."""
    files = PyFileSystem(DeltaStorageHandler(table.table_uri, table._storage_options))
    schema, kept = with_new_columns(pa.schema(table.schema().to_arrow()), name), kept_rows(table)
    whole = [file for file in map(file_name, table.file_uris()) if file not in kept]
    parts = [pq.read_table(file, filesystem=files).filter(pa.array(keep)) for file, keep in kept.items()]
    marked = pa.concat_tables([schema.empty_table(), *parts], promote_options="permissive").select(schema.names)
    connection.register(f"{name}_whole", ds.dataset(whole, schema=schema, filesystem=files, format="parquet"))
    connection.register(f"{name}_marked", marked)
    connection.execute(f"CREATE VIEW {name} AS SELECT * FROM {name}_whole UNION ALL SELECT * FROM {name}_marked")


def kept_rows(table: DeltaTable) -> Mapping[str, list[bool]]:
    """For each file with a deletion vector, by its name: whether each row is still there."""
    vectors = pa.table(table.deletion_vectors())
    names = map(file_name, vectors["filepath"].to_pylist())
    return dict(zip(names, vectors["selection_vector"].to_pylist(), strict=True))


def file_name(uri: str) -> str:
    """The tables are not partitioned: all files are directly in the table's folder."""
    return uri.rsplit("/", 1)[-1]
