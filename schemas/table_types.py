"""What a table of the catalog is described by: its columns, their types, and how its rows are kept."""

from collections.abc import Collection
from dataclasses import dataclass, field
from enum import Enum, auto
from types import MappingProxyType
from typing import Literal

Workload = Literal["rows", "series", "labels"]


@dataclass(frozen=True)
class Array:
    items: "Type"


@dataclass(frozen=True)
class Map:
    keys: "Type"
    values: "Type"


@dataclass(frozen=True)
class Struct:
    columns: "tuple[Column, ...]"


#: A text is a primitive type under Spark's name for it.
Type = str | Array | Map | Struct


@dataclass(frozen=True)
class Column:
    """All are nullable for Delta: a later contract may relax a field. comment: of the table's column, for its readers;
    without apostrophes, since it is quoted in SQL."""

    name: str
    type: Type
    comment: str = ""


#: Every table begins with these, so that Delta keeps their statistics and a batch's rows are found by file pruning.
BATCH = (Column("query_id", "string"), Column("batch_id", "long"))


class PerPipeline(Enum):
    """Columns that the catalog can't name: they are those of a pipeline's contract, series or model."""

    FIELDS = auto()
    VARIABLES = auto()
    PREDICTION = auto()
    SHADOW_PREDICTION = auto()


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table's facts. time_column: when the row was made. kept_whole: why no row may be deleted by age; such a table
    can have no retention. is_state: it is the stream's own, and nobody else's to read. made_by: the command that makes
    it, where no micro-batch does. experiment_columns: further ones of a pipeline that has, or had, a second version
    beside its champion; its first experiment adds them to the table.

    cluster_by: what its files are sorted by. statistics: the columns whose min and max Delta keeps for each file.
    """

    name: str
    workloads: tuple[Workload, ...]
    columns: tuple[Column | PerPipeline, ...]
    experiment_columns: tuple[Column | PerPipeline, ...] = ()
    time_column: str | None = None
    kept_whole: str = ""
    is_state: bool = False
    made_by: str = ""
    cluster_by: tuple[str, ...] = ()
    statistics: tuple[str, ...] = ()
    properties: MappingProxyType[str, str] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def column_names(self) -> tuple[str, ...]:
        """Those that are the same in every pipeline."""
        return tuple(column.name for column in self.columns if isinstance(column, Column))

    def columns_beyond(self, present: Collection[str]) -> list[Column]:
        """The columns that a table of an earlier version, with those of `present`, lacks until its stream adds them."""
        columns = (column for column in self.columns if isinstance(column, Column))
        return [column for column in columns if column.name not in present]
