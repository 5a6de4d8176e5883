"""The last finished batch of a query, from the bounds that the log of `batches` has of each file: one file is read, not
the whole table.

The rows decide, not the query's transaction in that log: a table restored to an earlier version keeps the transactions
of rows that it no longer has.
"""

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable

from penstock.storage.delta_files import DataFile, data_files, read_files

QUERY, BATCH = "query_id", "batch_id"


def last_batch(batches: DeltaTable | None, query_id: str | None) -> int | None:
    """The highest batch_id of the query in `batches`; None if it has none.

    Raises OSError, deltalake's DeltaError, pyarrow's ArrowException.
    """
    if batches is None or query_id is None:
        return None
    candidates = [file for file in data_files(batches, (QUERY, BATCH)) if file.may_have(QUERY, query_id)]
    last: int | None = None
    for file in sorted(candidates, key=highest, reverse=True):
        if last is not None and last >= highest(file):
            break
        found = last_in_file(batches, file, query_id)
        last = found if last is None or (found is not None and found > last) else last
    return last


def highest(file: DataFile) -> float:
    """No batch of the file is higher; infinite where its log does not say."""
    most = file.most[BATCH]
    return float("inf") if most is None else most


def last_in_file(batches: DeltaTable, file: DataFile, query_id: str) -> int | None:
    found: int | None = None
    for rows in read_files(batches, [file], (QUERY, BATCH)):
        of_query = rows.filter(pc.equal(rows[QUERY], pa.scalar(query_id, rows[QUERY].type)))
        highest_id = pc.max(of_query[BATCH]).as_py()
        if highest_id is not None and (found is None or highest_id > found):
            found = highest_id
    return found


def has_batches(batches: DeltaTable | None) -> bool:
    """Whether any batch of any query is finished."""
    return batches is not None and any(file.rows != 0 for file in data_files(batches))
