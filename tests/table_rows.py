"""Rows of a Delta table on the local disk as Spark's `collect` gives them, read without Spark: a query of one's own for
each look at a small table is what most tests would take their time for."""

from datetime import datetime
from typing import Any

import pyarrow as pa
from deltalake import DeltaTable
from deltalake.exceptions import DeltaProtocolError
from pyspark.sql import Row


def read_rows(path: str) -> list[Row] | None:
    """None where only Spark can read the table: it has deletion vectors."""
    try:
        found = DeltaTable(path).to_pyarrow_table()
    except DeltaProtocolError:
        return None
    columns = [[plain(value, column.type) for value in column.to_pylist()] for column in found.columns]
    return [Row(*found.column_names)(*values) for values in zip(*columns, strict=True)]


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
