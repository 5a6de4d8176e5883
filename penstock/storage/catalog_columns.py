"""The catalog's columns in Arrow, for tables that an earlier version made and that have fewer of them."""

import pyarrow as pa

from penstock.schemas.catalog import BY_NAME
from penstock.schemas.table_types import Array, Column, Map, Struct, Type

PRIMITIVES = {
    "string": pa.string(),
    "long": pa.int64(),
    "integer": pa.int32(),
    "double": pa.float64(),
    "boolean": pa.bool_(),
    "timestamp": pa.timestamp("us", "UTC"),
}


def with_new_columns(schema: pa.Schema, table: str) -> pa.Schema:
    """The schema, with those columns of the catalog that it lacks at its end. The stream adds them to the table at its
    next start; until then readers see nulls."""
    return pa.schema([*schema, *map(field_of, BY_NAME[table].columns_beyond(schema.names))])


def field_of(column: Column) -> pa.Field:
    return pa.field(column.name, arrow_type(column.type))


def arrow_type(given: Type) -> pa.DataType:
    match given:
        case Array(items):
            return pa.list_(arrow_type(items))
        case Map(keys, values):
            return pa.map_(arrow_type(keys), arrow_type(values))
        case Struct(columns):
            return pa.struct([field_of(column) for column in columns])
        case str():
            return PRIMITIVES[given]
