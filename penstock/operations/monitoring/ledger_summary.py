"""`batches` in one pass, file by file: its small columns as a table, the paths of its files as hashes."""

from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa
from deltalake import DeltaTable

from penstock.config.pipeline import PipelineConfig
from penstock.storage.catalog_columns import with_new_columns
from penstock.storage.delta_files import data_files, read_files
from penstock.storage.delta_reader import open_table
from penstock.storage.key_set import KeySet

FILES = "files"


@dataclass(frozen=True, kw_only=True)
class LedgerSummary:
    """batches: the table without `files`, a few hundred bytes a batch; columns that it does not have yet are null.
    paths: every path in `files`."""

    batches: pa.Table
    paths: KeySet


def read_summary(config: PipelineConfig) -> LedgerSummary | None:
    """None if there is no table `batches` yet. Raises OSError, deltalake's DeltaError, pyarrow's ArrowException."""
    table = open_table(config, "batches")
    return summary_of(table) if table is not None else None


def summary_of(table: DeltaTable) -> LedgerSummary:
    schema = pa.schema(table.schema().to_arrow())
    small = pa.schema([field for field in schema if field.name != FILES])
    kept: list[pa.RecordBatch] = []

    def paths() -> Iterator[str]:
        for rows in read_files(table, data_files(table), schema.names):
            kept.append(rows.select(small.names))
            yield from filter(None, rows[FILES].flatten().field("path").to_pylist())

    files = KeySet(paths())
    batches = pa.Table.from_batches(kept, schema=small).combine_chunks()
    for column in with_new_columns(schema, "batches"):
        if column.name not in schema.names:
            batches = batches.append_column(column, pa.nulls(len(batches), column.type))
    return LedgerSummary(batches=batches, paths=files)
