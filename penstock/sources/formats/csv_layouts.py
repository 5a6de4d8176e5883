"""Which CSV files are read together, and how a line gets at the header and the columns of its own file.

What counts of a header is where the contract's columns stand and how many fields there are. Files that have this in
common are read by one plan, whatever their other columns are called. Where there are more such groups than a few, one
plan reads them all: planning a group takes Spark as long as reading many small files.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from penstock.schemas.contract import Contract
from penstock.sources.files import Layout, PlannedFile
from penstock.sources.wide_checks import is_wide
from penstock.spark.local_frames import local_frame

#: Up to so many groups are read by a plan each, which is faster for each row.
MAX_PLANS = 3
#: Columns of a line: its file's header, the number of fields there, and the place of each contract column among them.
FILE_HEADER = "_file_header"
FIELD_COUNT = "_field_count"
PLACES = "_places"
LAYOUT = "_layout"


def reading_groups(files: Sequence[PlannedFile], contract: Contract, *, multi_line: bool) -> list[list[PlannedFile]]:
    """The accepted files, those together that one plan reads; in an order that does not depend on theirs."""
    groups: dict[Layout, list[PlannedFile]] = defaultdict(list)
    for file in files:
        groups[without_others(file.the_layout, contract)].append(file)
    found = [sorted(groups[layout], key=path_of) for layout in sorted(groups, key=Layout.model_dump_json)]
    if multi_line or (len(found) <= MAX_PLANS and not is_wide(contract)):
        return found
    return [[file for group in found for file in group]]


def path_of(file: PlannedFile) -> str:
    return file.path


def without_others(layout: Layout, contract: Contract) -> Layout:
    """The layout without its header, and without the names of columns that the contract does not have."""
    known = set(contract.sources)
    columns = tuple(name if name in known else "" for name in layout.columns)
    return layout.model_copy(update={"header": None, "columns": columns})


def places_of(layout: Layout, contract: Contract) -> list[int]:
    """Where in the file's line each contract field stands."""
    found = {name: place for place, name in enumerate(layout.columns)}
    return [found[source] for source in contract.sources]


@dataclass(frozen=True)
class LayoutColumns:
    """FILE_HEADER, FIELD_COUNT and PLACES of a line: constants where there is one layout only."""

    header: Column
    count: Column
    places: Column


def constant_layout(layout: Layout, contract: Contract) -> LayoutColumns:
    places = F.expr(f"array({', '.join(map(str, places_of(layout, contract)))})")
    return LayoutColumns(header=F.lit(layout.header), count=F.lit(len(layout.columns)), places=places)


def layout_of_line() -> LayoutColumns:
    return LayoutColumns(header=F.col(FILE_HEADER), count=F.col(FIELD_COUNT), places=F.col(PLACES))


def with_headers(lines: DataFrame, layouts: Mapping[str, Layout], *, key: str) -> DataFrame:
    """`lines` with FILE_HEADER. layouts: by the values of the column `key`."""
    rows = [(value, layout.header) for value, layout in layouts.items()]
    frame = local_frame(lines.sparkSession, rows, f"{key} string, {FILE_HEADER} string")
    # Lines of a value that is not there have an empty header: with none they would be neither accepted nor rejected.
    joined = lines.join(F.broadcast(frame), on=key, how="left")
    return joined.withColumn(FILE_HEADER, F.coalesce(FILE_HEADER, F.lit("")))


def with_layouts(lines: DataFrame, layouts: Mapping[str, Layout], contract: Contract, *, key: str) -> DataFrame:
    """`lines` with FILE_HEADER, FIELD_COUNT and PLACES. layouts: by the values of the column `key`."""
    spark = lines.sparkSession
    distinct = {
        layout: number
        for number, layout in enumerate(dict.fromkeys(without_others(layout, contract) for layout in layouts.values()))
    }
    places = [(number, len(layout.columns), places_of(layout, contract)) for layout, number in distinct.items()]
    rows = [(value, layout.header, distinct[without_others(layout, contract)]) for value, layout in layouts.items()]
    of_key = local_frame(spark, rows, f"{key} string, {FILE_HEADER} string, {LAYOUT} int")
    of_layout = local_frame(spark, places, f"{LAYOUT} int, {FIELD_COUNT} int, {PLACES} array<int>")
    with_header = lines.join(F.broadcast(of_key), on=key, how="left")
    joined = with_header.join(F.broadcast(of_layout), on=LAYOUT, how="left")
    # As in `with_headers`; such lines are rejected for their number of fields.
    known = {FILE_HEADER: F.coalesce(FILE_HEADER, F.lit("")), FIELD_COUNT: F.coalesce(FIELD_COUNT, F.lit(0))}
    return joined.withColumns(known)
