"""The Arrow batch that a row was scored in, as the data files of its table still have it."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from penstock.config.pipeline import PipelineConfig
from penstock.models.explanation.again import Neighbours
from penstock.models.explanation.bits import is_same
from penstock.operations.explain.report import is_of_candidate
from penstock.schemas.contract import Contract
from penstock.storage.delta_files import data_files, read_files
from penstock.storage.delta_reader import open_table

#: Spark's setting, and its default.
BATCH_SETTING, BATCH_ROWS = "spark.sql.execution.arrow.maxRecordsPerBatch", 10_000
READ_ROWS = 1 << 16
BATCH = ("query_id", "batch_id")


def batches_with(config: PipelineConfig, contract: Contract, row: pa.Table) -> Iterator[Neighbours]:
    """The Arrow batches that the row may have been in, the likeliest first. row: one of `predictions`.

    A task of Spark writes the rows that it scored to one data file, in their order, and cuts them into Arrow batches of
    a fixed number. Where the table was compacted, a file has the rows of several tasks: then those of one source file
    are tried.
    """
    rescore = row["rescore_id"][0].as_py() if "rescore_id" in row.column_names else None
    if rescore is not None:
        # Where it was scored; the table predictions was given it in another order.
        yield from batches_in(config, contract, row, "rescored_predictions", {"rescore_id": rescore})
    yield from batches_in(config, contract, row, "predictions", {})


def batches_in(
    config: PipelineConfig, contract: Contract, row: pa.Table, name: str, of_rescore: dict[str, Any]
) -> Iterator[Neighbours]:
    """of_rescore: what all rows of a batch have; one of a rescore may have rows of several micro-batches."""
    table = open_table(config, name)
    if table is None:
        return
    fields = [field.name for field in contract.fields if field.name in row.column_names]
    # A candidate was given the rows of its keys alone.
    asked = row["model_version"][0].as_py() if is_of_candidate(row["role"][0].as_py()) else None
    of_pair = ("role", "shadow_version") if asked is not None else ()
    names = list(dict.fromkeys([*BATCH, *of_rescore, "source_file", *fields, "prediction", *of_pair]))
    key = {name: row[name][0].as_py() for name in BATCH}
    size = int(config.spark.get(BATCH_SETTING, BATCH_ROWS))
    for file in data_files(table, BATCH):
        if not all(file.may_have(name, value) for name, value in key.items()):
            continue
        read = with_values(pa.Table.from_batches(read_files(table, [file], names, batch_rows=READ_ROWS)), of_rescore)
        of_batch = with_values(read, key)
        of_source = with_values(of_batch, {"source_file": row["source_file"][0].as_py()})
        tried = {len(rows): rows for rows in (*((read,) if of_rescore else ()), of_batch, of_source)}
        for rows in tried.values():
            for place in places_of(rows, row, names):
                start = place - place % size
                batch = Neighbours(rows=rows.slice(start, size), place=place - start)
                yield batch if asked is None else of_candidate(batch, asked)


def of_candidate(batch: Neighbours, version: str) -> Neighbours:
    """The rows that the candidate was asked for: it answered them, or its failure stands beside the champion's."""
    is_asked = pc.or_kleene(
        pc.starts_with(batch.rows["role"], "candidate"), pc.equal(batch.rows["shadow_version"], version)
    )
    mask = pc.fill_null(is_asked, False).to_numpy(zero_copy_only=False)
    return Neighbours(rows=batch.rows.filter(pa.array(mask)), place=int(mask[: batch.place].sum()))


def with_values(rows: pa.Table, values: dict[str, Any]) -> pa.Table:
    for name, value in values.items():
        rows = rows.filter(pc.equal(rows[name], pa.scalar(value, rows[name].type)))
    return rows


def places_of(rows: pa.Table, row: pa.Table, names: list[str]) -> list[int]:
    """Where the row stands: equal in all columns, the prediction to its last bit."""
    is_equal = np.ones(len(rows), dtype=bool)
    for name in names:
        if not pa.types.is_nested(rows[name].type):
            equal = pc.fill_null(equal_to(rows[name], row[name][0]), False)
            is_equal &= equal.to_numpy(zero_copy_only=False)
    stored = row["prediction"][0].as_py()
    places: list[int] = np.flatnonzero(is_equal).tolist()
    return [place for place in places if is_same(stored, rows["prediction"][place].as_py())]


def equal_to(column: pa.ChunkedArray, value: pa.Scalar) -> pa.ChunkedArray:
    """Of nulls and NaN too."""
    if not value.is_valid:
        return pc.is_null(column)
    if pa.types.is_floating(value.type) and pc.is_nan(value).as_py():
        return pc.is_nan(column)
    return pc.equal(column, value.cast(column.type))
