"""Where a row stands in its file: by the line that has its values, or in Parquet by its number."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, BinaryIO, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from penstock.config.pipeline import SourceConfig
from penstock.schemas.contract import Contract
from penstock.sources.files import Layout
from penstock.sources.formats import format_of
from penstock.sources.formats.compression import DAMAGED_GZIP, GZIP, opened_text
from penstock.sources.reading import contract_of
from penstock.sources.row_search.records import Record, csv_records, json_records
from penstock.sources.row_search.values import Matcher, matcher
from penstock.storage.files import Storage

#: A larger file takes minutes to read line by line.
MAX_BYTES = 1 << 28
#: What gzip packs is several times as large.
MAX_PACKED_BYTES = 1 << 26
BATCH_ROWS = 1 << 16


@dataclass(frozen=True, kw_only=True)
class FoundRows:
    """numbers: of the file's lines (of Parquet: rows), from 1; several where lines are equal. unknown: why there is
    none. not_compared: fields whose texts can't be read here."""

    unit: Literal["line", "row"] = "line"
    numbers: tuple[int, ...] = ()
    unknown: str = ""
    not_compared: tuple[str, ...] = ()


def find_rows(
    storage: Storage,
    path: str,
    wanted: Mapping[str, Any],
    *,
    length: int,
    source: SourceConfig,
    contract: Contract,
    layout: Layout | None = None,
) -> FoundRows:
    """The rows of a file that have these values. wanted: by field name, of some or all fields of the contract; layout:
    as the file was planned."""
    kind = format_of(path.rpartition("/")[2], default=source.format).name
    limit = MAX_PACKED_BYTES if path.endswith(GZIP) else MAX_BYTES
    if length > limit:
        return FoundRows(unknown=f"the file has {length:,} bytes, and up to {limit:,} are searched")
    fields = [field for field in contract_of(kind, contract).fields if field.name in wanted]
    compared = replace(contract_of(kind, contract), fields=tuple(fields), rules=())
    matchers = [matcher(field, wanted[field.name]) for field in fields]
    try:
        if kind == "parquet":
            with storage.open(path) as file:
                return find_in_parquet(file, compared, matchers, wanted)
        with opened_text(storage, path) as content:
            records = (
                json_records(content, compared)
                if kind == "json"
                else csv_records(content, source.csv, compared, layout)
            )
            return matching(records, matchers, compared)
    except KeyError as error:
        return FoundRows(unknown=f"its header has no column {error}")
    except (*DAMAGED_GZIP, pa.ArrowException, OSError) as error:
        return FoundRows(unknown=f"it can't be read: {error}")


def matching(records: Iterable[Record], matchers: Sequence[Matcher], contract: Contract) -> FoundRows:
    numbers: list[int] = []
    unread: set[int] = set()
    for record in records:
        found = matches(record.values, matchers)
        if found is not None:
            numbers.append(record.number)
            unread |= found
    return FoundRows(
        numbers=tuple(numbers),
        unknown="" if numbers else "no line of it has the values of the row",
        not_compared=tuple(contract.fields[place].name for place in sorted(unread)),
    )


def matches(values: Sequence[Any], matchers: Sequence[Matcher]) -> set[int] | None:
    """The places of values that can't be compared; None where one is another."""
    unread: set[int] = set()
    for place, (value, match) in enumerate(zip(values, matchers, strict=True)):
        found = match(value)
        if found is False:
            return None
        if found is None:
            unread.add(place)
    return unread


def find_in_parquet(
    file: BinaryIO, contract: Contract, matchers: Sequence[Matcher], wanted: Mapping[str, Any]
) -> FoundRows:
    def records() -> Iterable[Record]:
        before = 0
        with pq.ParquetFile(file) as content:
            for rows in content.iter_batches(BATCH_ROWS, columns=list(contract.sources)):
                for place in likely_rows(rows, contract, wanted):
                    yield Record(before + place + 1, [python_value(rows[name][place]) for name in contract.sources])
                before += len(rows)

    return replace(matching(records(), matchers, contract), unit="row")


def python_value(value: pa.Scalar) -> Any:
    """A time that Python has none for (after the year 9999) as an empty text, which is equal to none."""
    try:
        return value.as_py()
    except OverflowError:
        return ""


def likely_rows(rows: pa.RecordBatch, contract: Contract, wanted: Mapping[str, Any]) -> list[int]:
    """Those that have the numbers of floating columns, which Arrow compares at once."""
    is_likely = np.ones(len(rows), dtype=bool)
    for field in contract.fields:
        column, value = rows[field.source], wanted[field.name]
        if pa.types.is_float64(column.type) and isinstance(value, float) and value == value and field.type == "double":
            is_likely &= pc.fill_null(pc.equal(column, value), False).to_numpy(zero_copy_only=False)
    places: list[int] = np.flatnonzero(is_likely).tolist()
    return places
