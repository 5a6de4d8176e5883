"""Reads training rows: a file in the pipeline's dialect, with columns as in the contract and the model."""

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pandas as pd

from penstock.config.pipeline import PipelineConfig
from penstock.errors import ConfigError
from penstock.models.training.numbers import number_reader, numbers_within
from penstock.schemas.contract import Contract, Field
from penstock.schemas.types import field_type
from penstock.sources.column_names import column_hint
from penstock.sources.formats import format_of
from penstock.sources.inference.json_lines import read_json_texts
from penstock.sources.inference.parquet import columns_of, contract_type, first_rows_of
from penstock.sources.inference.sample import opened_bytes, read_texts, refuse_no_file
from penstock.sources.inference.types import (
    NOT_A_NUMBER,
    NUMBER_NOTES,
    Kind,
    kind_of,
    read_boolean,
)
from penstock.sources.reading import contract_of

Task = Literal["regression", "classification"]
#: An integer target with more distinct values is a regression target, with fewer a class.
MAX_INTEGER_CLASSES = 10
MAX_CLASSES = 100
MIN_ROWS = 8
AS_COMMAS = "for CSV give the field type='double' and decimal=','; it is learnt as texts"
log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class RowData:
    """inputs: by model names; float64 (booleans 0 and 1), or texts (None where missing). target: float64, or classes
    (str, bool, int64). left_out: rows without a target, or with a value that is not of its field's type."""

    fields: tuple[Field, ...]
    inputs: pd.DataFrame
    target: pd.Series
    task: Task
    left_out: int


def read_row_data(config: PipelineConfig, contract: Contract, *, data: Path, target: str, task: Task | None) -> RowData:
    """The usable training rows of `data`. target: its header. task: None infers it from the target.

    Numbers, booleans and strings are inputs, dates are not. Rules are not applied, since they are Spark SQL.
    Raises ConfigError.
    """
    read = read_frame(config, data, target)
    frame = read.frame
    in_format = contract_of(read.format, contract)
    fields = tuple(field for field in in_format.fields if is_input(field) and field.source != target)
    missing = [field.source for field in fields if field.source not in frame.columns]
    if missing:
        known = set(contract.sources)
        others = [name for name in frame.columns if name not in known]
        raise ConfigError(
            f"{data}: lacks the columns {missing} of the contract; it has {list(frame.columns)}"
            f"{column_hint(missing[0], others)}"
        )
    warn_of_numbers_as_texts(frame, fields)
    if not fields:
        raise ConfigError(f"contract {config.contract}: has no number, boolean or text to learn from")
    inputs = pd.DataFrame({field.model: input_column(frame[field.source], field) for field in fields})
    optional = [field.model for field in fields if field.nullable]
    is_bad = pd.DataFrame(
        {field.model: bad_values(frame[field.source], inputs[field.model], field) for field in fields}
    )
    usable = ~is_bad.any(axis=1) & inputs.drop(columns=optional).notna().all(axis=1) & frame[target].notna()
    if usable.sum() < MIN_ROWS:
        raise ConfigError(
            f"{data}: {usable.sum()} of {len(frame)} rows have a target and fit the contract; "
            f"at least {MIN_ROWS} are needed"
        )
    values, chosen = target_values(
        frame.loc[usable, target], read.target_type, task=task, where=f"--target: {target!r}"
    )
    return RowData(
        fields=fields,
        inputs=inputs[usable].reset_index(drop=True),
        target=values.reset_index(drop=True),
        task=chosen,
        left_out=int(len(frame) - usable.sum()),
    )


def is_input(field: Field) -> bool:
    return field.facts.kind != "time"


@dataclass(frozen=True, kw_only=True)
class ReadFile:
    """frame: the file's columns (strings, or Parquet's types). format: its name in FORMATS. target_type: its contract
    type, or what it is in place of one."""

    frame: pd.DataFrame
    format: str
    target_type: str


def read_frame(config: PipelineConfig, data: Path, target: str) -> ReadFile:
    """Raises ConfigError where the file can't be read or lacks the target, or that is numbers in no known form."""
    refuse_no_file(data)
    try:
        name = format_of(data.name, default=config.source.format).name
        if name == "parquet":
            table = first_rows_of(data, rows=None)
            refuse_no_target(list(table.schema.names), target)
            kind = contract_type(columns_of(data)[target]) or "of a type that can't be predicted"
            return ReadFile(frame=table.to_pandas(), format=name, target_type=kind)
        if name == "json":
            with opened_bytes(data) as file:
                frame, _ = read_json_texts(file)
        else:
            frame = read_texts(data, config.source.csv).frame
        refuse_no_target(list(frame.columns), target)
        found = kind_of(frame[target], commas=name == "csv")
        if found.type == "string" and found.note in NUMBER_NOTES:
            raise ConfigError(f"the target {target!r} {found.note}")
        if found.decimal == ",":
            frame[target] = frame[target].str.replace(",", ".")
        if found.nan == "null":
            is_nan = frame[target].str.fullmatch("nan", case=False).eq(True)
            frame.loc[is_nan, target] = None
        return ReadFile(frame=frame, format=name, target_type=target_type(found, frame[target]))
    except ConfigError as error:
        raise ConfigError(f"{data}: {error}") from None


def target_type(found: Kind, texts: pd.Series) -> str:
    """Words other than true and false stay what they are: classes."""
    is_word = found.type == "boolean" and not texts.dropna().str.lower().isin(["true", "false"]).all()
    return "string" if is_word else found.type


def warn_of_numbers_as_texts(frame: pd.DataFrame, fields: tuple[Field, ...]) -> None:
    """Numbers in another form than the contract's would be learnt as so many words."""
    for field in fields:
        if field.type == "string" and frame[field.source].dtype == "object":
            found = kind_of(frame[field.source], commas=True)
            if found.decimal == ",":
                log.warning("column %r has numbers with a decimal comma: %s", field.source, AS_COMMAS)
            elif found.note in NUMBER_NOTES:
                log.warning("column %r %s; it is learnt as texts", field.source, found.note)


def refuse_no_target(columns: list[str], target: str) -> None:
    if target not in columns:
        raise ConfigError(f"has no column {target!r}, which --target names; its columns are {columns}")


def input_column(values: pd.Series, field: Field) -> pd.Series:
    """The values as an input: float64 or strings, missing where invalid for the field."""
    if field.type == "string":
        texts = [None if is_missing else value for value, is_missing in zip(values, values.isna(), strict=True)]
        return pd.Series(texts, index=values.index, dtype="object")
    if field.type == "boolean":
        return values.map(boolean_number).astype("float64")
    if values.dtype != "object":
        return numbers_within(values, field)
    return values.map(number_reader(field), na_action="ignore").astype("float64")


def bad_values(given: pd.Series, read: pd.Series, field: Field) -> pd.Series:
    """Whether a value is present and invalid for the field; NaN by the field's `nan`."""
    bad = given.notna() & read.isna()
    if field.is_floating and field.nan != "reject":
        bad &= ~given.astype(str).str.fullmatch(NOT_A_NUMBER.pattern, case=False)
    return bad


def boolean_number(value: object) -> float:
    found = read_boolean(str(value))
    return math.nan if found is None else float(found)


def target_values(values: pd.Series, kind: str, *, task: Task | None, where: str) -> tuple[pd.Series, Task]:
    """The target as numbers or as classes. kind: its contract type. Raises ConfigError if it is neither."""
    facts = field_type(kind)
    if facts is None or facts.kind == "time":
        raise ConfigError(f"{where} is {kind}; expected numbers, booleans or texts")
    is_number = facts.kind == "number"
    is_quantity = is_number and (not facts.is_whole or values.nunique() > MAX_INTEGER_CLASSES)
    chosen: Task = task or ("regression" if is_quantity else "classification")
    if chosen == "regression":
        if not is_number:
            raise ConfigError(f"{where} is {kind}; a regression needs numbers")
        return values.astype("float64"), chosen
    if kind not in CLASSES:
        raise ConfigError(f"{where} is {kind}; a classification needs texts, booleans or whole numbers")
    count = values.nunique()
    if not 2 <= count <= MAX_CLASSES:
        raise ConfigError(f"{where} has {count:,} different values; a classification takes 2 to {MAX_CLASSES}")
    return CLASSES[kind](values), chosen


CLASSES: dict[str, Callable[[pd.Series], pd.Series]] = {
    "string": lambda values: values.astype("object"),
    "boolean": lambda values: values.astype(str).str.lower() == "true",
    "integer": lambda values: values.astype("int64"),
    "long": lambda values: values.astype("int64"),
}
