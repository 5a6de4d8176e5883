"""A prediction made again in this process, and compared with the one in the table to the last bit.

Floating-point sums of a model may depend on how many rows are scored at once: a library's matrix product adds in
another order for one row than for a hundred. So where a row alone has another answer in its last bits, it is scored
once more with the rows of the Arrow batch that it was in, which its table's data file still has in their order.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from penstock.models.explanation.bits import answers, is_same, is_same_error
from penstock.models.explanation.row_arguments import arguments_of, beyond_datetime
from penstock.models.in_process import LoadedModel
from penstock.schemas.contract import Contract


@dataclass(frozen=True)
class Neighbours:
    """The rows of an Arrow batch, and the place of the row among them."""

    rows: pa.Table
    place: int


@dataclass(frozen=True, kw_only=True)
class Again:
    """value, error: made now. together: with how many rows. is_equal: to what the table has. alone: what the row has
    without others, where that differs in its bits."""

    value: Any
    error: str | None
    is_equal: bool
    together: int = 1
    alone: Any = None


def predicted_again(
    loaded: LoadedModel,
    contract: Contract,
    row: pa.Table,
    neighbours: Callable[[], Iterator[Neighbours]],
) -> Again:
    """row: one of `predictions`, with the contract's columns, prediction and error. neighbours: Arrow batches that it
    may have been in; asked only where the row alone has another answer."""
    stored, stored_error = row["prediction"][0].as_py(), row["error"][0].as_py()

    def again(rows: pa.Table, place: int) -> Again:
        with one_thread():
            scored = loaded.model.score(arguments_of(rows, loaded.inputs, contract))
        value, error = answers(scored, loaded.outputs)[place]
        if problem := beyond_datetime(row, loaded.inputs, contract):
            value, error = None, problem
        is_equal = is_same(stored, value) and is_same_error(stored_error, error)
        return Again(value=value, error=error, is_equal=is_equal, together=len(rows))

    alone = again(row, 0)
    if alone.is_equal:
        return alone
    for batch in neighbours():
        found = again(batch.rows, batch.place)
        if found.is_equal:
            return Again(
                value=found.value, error=found.error, is_equal=True, together=found.together, alone=alone.value
            )
    return alone


def one_thread() -> AbstractContextManager[Any]:
    """Spark gives its Python workers one thread of each numerical library, and more of them may add in another
    order."""
    try:
        from threadpoolctl import threadpool_limits
    except ImportError:
        return nullcontext()
    limits: AbstractContextManager[Any] = threadpool_limits(limits=1)
    return limits
