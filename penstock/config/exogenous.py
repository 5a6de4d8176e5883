"""The part `series.exogenous` of a pipeline's YAML file: variables whose values are known before their period."""

import re
from typing import Self

from pydantic import Field, field_validator, model_validator

from penstock.config.locations import Location
from penstock.config.sections import Section

#: As columns of tables: they name inputs of the model.
SNAKE_CASE = re.compile(r"[a-z][a-z0-9_]*")


class ExogenousConfig(Section):
    """A Delta table, or a CSV or Parquet file, with a row for each period, past and future.

    columns: its numbers that the model uses. time: its column with the period's ds. id: its column with the series that
    a row is of, null where a row is of all series.
    """

    path: Location
    columns: tuple[str, ...] = Field(min_length=1)
    time: str = "ds"
    id: str | None = None

    @field_validator("columns")
    @classmethod
    def columns_are_snake_case(cls, columns: tuple[str, ...]) -> tuple[str, ...]:
        other = [name for name in columns if not SNAKE_CASE.fullmatch(name)]
        if other:
            raise ValueError(
                f"exogenous.columns has {other[0]!r}, expected snake_case (a-z, 0-9, _); rename it in its file or table"
            )
        return columns

    @property
    def names(self) -> tuple[str, ...]:
        """Of all columns that are read."""
        return (*([self.id] if self.id is not None else []), self.time, *self.columns)

    @model_validator(mode="after")
    def columns_are_different(self) -> Self:
        twice = sorted({name for name in self.names if self.names.count(name) > 1})
        if twice:
            raise ValueError(f"exogenous names {', '.join(twice)} more than once; each column has one use")
        return self


def lead_column(name: str, step: int) -> str:
    """The model's input with the value of an exogenous variable `step` periods after the cutoff, from 1."""
    return f"{name}_lead{step}"
