"""Columns of exogenous values as texts or whatever type a file has them in, made ids, times and numbers."""

from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from penstock.config.exogenous import ExogenousConfig
from penstock.errors import ExogenousError

SERIES_ID, DS = "series_id", "ds"
TIME = pa.timestamp("us", tz="UTC")
#: After a time of day: Z, +02:00, -0500, +00.
ZONE = r"[T ]\d{2}(:\d{2}.*)?(Z|[+-]\d{2}(:?\d{2})?)$"
#: What pandas and others write for a missing number, in lower case.
MISSING_NUMBERS = ("", "na", "nan", "null")
TRUTHS = {"true": "1", "false": "0"}


def typed(raw: pa.Table, exogenous: ExogenousConfig, *, described: str) -> pa.Table:
    """The columns of `read_exogenous`. described: the source, for messages. Raises ExogenousError."""
    columns: dict[str, pa.ChunkedArray] = {}
    raw = pa.table({name: plain(raw[name]) for name in exogenous.names})
    if exogenous.id is not None:
        columns[SERIES_ID] = ids(raw[exogenous.id], f"{described}: {exogenous.id}")
    columns[DS] = times(raw[exogenous.time], f"{described}: {exogenous.time}")
    for name in exogenous.columns:
        columns[name] = numbers(raw[name], f"{described}: {name}")
    return without_copies(pa.table(columns), exogenous.columns, described)


def plain(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Without the dictionary that pandas' categories have."""
    return values.cast(values.type.value_type) if pa.types.is_dictionary(values.type) else values


def ids(values: pa.ChunkedArray, what: str) -> pa.ChunkedArray:
    if not (is_text(values.type) or pa.types.is_integer(values.type)):
        raise ExogenousError(f"{what} is a {values.type}, expected a text or an integer")
    return without_nulls(values.cast(pa.string()), what)


def times(values: pa.ChunkedArray, what: str) -> pa.ChunkedArray:
    if not (is_text(values.type) or pa.types.is_timestamp(values.type) or pa.types.is_date(values.type)):
        raise ExogenousError(f"{what} is a {values.type}, expected a timestamp, a date, or an ISO 8601 text")
    if is_text(values.type):
        return without_nulls(
            parsed(values, times_of_texts, what, "a time such as 2024-05-01 or 2024-05-01T12:00"), what
        )
    if pa.types.is_timestamp(values.type) and values.type.tz is not None:
        return without_nulls(values.cast(TIME, safe=False), what)
    return without_nulls(pc.assume_timezone(values.cast(pa.timestamp("us"), safe=False), "UTC"), what)


def times_of_texts(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    texts = pc.replace_substring_regex(texts, r"(\.\d{6})\d+", r"\1")
    has_zone, nothing = pc.match_substring_regex(texts, ZONE), pa.scalar(None, pa.string())
    with_zone = pc.if_else(has_zone, texts, nothing).cast(TIME)
    without_zone = pc.if_else(has_zone, nothing, texts).cast(pa.timestamp("us"))
    return pc.coalesce(with_zone, pc.assume_timezone(without_zone, "UTC"))


def numbers(values: pa.ChunkedArray, what: str) -> pa.ChunkedArray:
    """double; a NaN is null."""
    kind = values.type
    if is_text(kind):
        found = parsed(values, numbers_of_texts, what, "a number")
    elif any(check(kind) for check in (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal)):
        found = values.cast(pa.float64(), safe=False)
    elif pa.types.is_boolean(kind) or pa.types.is_null(kind):
        found = values.cast(pa.float64())
    else:
        raise ExogenousError(f"{what} is a {kind}, expected numbers")
    if pc.any(pc.is_inf(found)).as_py():
        raise ExogenousError(f"{what} has an infinite value; leave it empty where there is none")
    return pc.if_else(pc.is_nan(found), pa.scalar(None, pa.float64()), found)


def numbers_of_texts(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    lower = pc.utf8_lower(texts)
    is_missing = pc.is_in(lower, value_set=pa.array(MISSING_NUMBERS))
    numbers = pc.if_else(is_missing, pa.scalar(None, pa.string()), texts)
    for text, number in TRUTHS.items():
        numbers = pc.if_else(pc.equal(lower, text), number, numbers)
    return numbers.cast(pa.float64())


def parsed(values: pa.ChunkedArray, parse: Callable[[Any], Any], what: str, expected: str) -> pa.ChunkedArray:
    texts = pc.utf8_trim_whitespace(values.cast(pa.string()))
    try:
        return parse(texts)
    except pa.ArrowInvalid:
        wrong = next(text for text in texts if not can_parse(text, parse))
        raise ExogenousError(f"{what} has {wrong.as_py()!r}, which is not {expected}; correct it") from None


def can_parse(text: pa.Scalar, parse: Callable[[Any], Any]) -> bool:
    try:
        parse(pa.chunked_array([pa.array([text.as_py()], pa.string())]))
    except pa.ArrowInvalid:
        return False
    return True


def is_text(kind: pa.DataType) -> bool:
    return any(check(kind) for check in (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view))


def without_nulls(values: pa.ChunkedArray, what: str) -> pa.ChunkedArray:
    if values.null_count:
        raise ExogenousError(f"{what} is empty in {values.null_count:,} rows; a row needs one")
    return values


def without_copies(table: pa.Table, columns: Sequence[str], described: str) -> pa.Table:
    """One row for each series and ds. Raises ExogenousError where two have different values."""
    keys = [name for name in table.column_names if name not in columns]
    if table.group_by(keys).aggregate([]).num_rows == table.num_rows:
        return table
    asked = [(name, how) for name in columns for how in ("min", "max", "count")]
    groups = table.group_by(keys).aggregate([*asked, ([], "count_all")])
    differ = pc.is_null(groups[keys[0]])
    for name in columns:
        counted = groups[f"{name}_count"]
        is_partly_null = pc.and_(pc.greater(counted, 0), pc.less(counted, groups["count_all"]))
        unequal = pc.fill_null(pc.not_equal(groups[f"{name}_min"], groups[f"{name}_max"]), False)
        differ = pc.or_(differ, pc.or_(is_partly_null, unequal))
    contradictions = groups.filter(differ)
    if contradictions.num_rows:
        first = contradictions.slice(0, 1).to_pylist()[0]
        series = f"series {first[SERIES_ID]}, " if SERIES_ID in keys else ""
        raise ExogenousError(
            f"{described}: has two rows with different values for {series}{first[DS]:%Y-%m-%d %H:%M:%S} "
            f"({contradictions.num_rows:,} such); leave one of them"
        )
    return groups.select([*keys, *[f"{name}_min" for name in columns]]).rename_columns([*keys, *columns])
