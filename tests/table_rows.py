"""Rows of a Delta table on the local disk as Spark's `collect` gives them, read without Spark: a query of one's own for
each look at a small table is what most tests would take their time for."""

from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable
from pyspark.sql import Row

from penstock.storage.deletion_vectors import DELETION_VECTORS, file_name, kept_rows


def read_rows(path: str) -> list[Row]:
    table = DeltaTable(path)
    has_vectors = DELETION_VECTORS in (table.protocol().reader_features or ())
    found = read_undeleted(table) if has_vectors else table.to_pyarrow_table()
    columns = [[plain(value, column.type) for value in column.to_pylist()] for column in found.columns]
    return [Row(*found.column_names)(*values) for values in zip(*columns, strict=True)]


def read_undeleted(table: DeltaTable) -> pa.Table:
    """deltalake itself reads no table with deletion vectors."""
    schema, kept = pa.schema(table.schema().to_arrow()), kept_rows(table)
    parts = [schema.empty_table()]
    for uri in table.file_uris():
        rows, keep = pq.read_table(uri.removeprefix("file://")), kept.get(file_name(uri))
        parts.append(rows if keep is None else rows.filter(pa.array(keep)))
    return pa.concat_tables(parts, promote_options="permissive").select(schema.names)


def plain(value: Any, kind: pa.DataType) -> Any:
    if value is None:
        return None
    if isinstance(value, datetime):
        return value.astimezone().replace(tzinfo=None) if value.tzinfo else value
    if pa.types.is_struct(kind):
        fields = [kind.field(number) for number in range(kind.num_fields)]
        return Row(*[field.name for field in fields])(*[plain(value[field.name], field.type) for field in fields])
    if pa.types.is_map(kind):
        return {plain(key, kind.key_type): plain(item, kind.item_type) for key, item in value}
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return [plain(item, kind.value_type) for item in value]
    return value
