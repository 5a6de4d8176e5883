"""Typed request and response bodies of each model, from contract and signature, as shown in /docs."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
    WrapValidator,
    create_model,
)

from penstock.config.series import SeriesConfig
from penstock.interfaces.rest.exact_numbers import as_written, bare
from penstock.interfaces.rest.request_rows import Row
from penstock.interfaces.rest.served import Served
from penstock.schemas.contract import Contract
from penstock.schemas.contract import Field as ContractField
from penstock.udfs.scoring.outputs import ModelColumn, is_single

MAX_ROWS = 10_000
#: What JSON may have for a field of a kind. A text is always taken, and read as in a CSV file.
JSON_TYPES: dict[str, Any] = {
    "number": Annotated[StrictFloat | StrictInt | StrictStr | None, WrapValidator(as_written)],
    "boolean": Annotated[StrictBool | StrictInt | StrictStr | None, WrapValidator(as_written)],
    "text": StrictStr | None,
    "time": StrictStr | None,
}


class ErrorBody(BaseModel):
    """Why the request failed: what was found, what was expected, what to do."""

    error: str


class ForecastStep(BaseModel):
    """ds: the time that the forecast is for. lower, upper: the bounds of its interval; null if infinite."""

    ds: datetime
    step: int
    variable: str
    forecast: float | None
    lower: float | None
    upper: float | None


class ForecastInterval(BaseModel):
    """level: its coverage, between 0 and 1. lower, upper: its bounds; null if infinite."""

    level: float
    lower: float | None
    upper: float | None


class ForecastStepOfLevels(ForecastStep):
    """intervals: of all levels (`series.level`), ascending; `lower` and `upper` are those of the last one."""

    intervals: list[ForecastInterval]


@dataclass(frozen=True)
class Bodies:
    """The types of a model's request and response bodies. `request` has `rows`."""

    request: type[BaseModel]
    response: type[BaseModel]


def bodies_of(served: Served, outputs: Sequence[ModelColumn]) -> Bodies:
    name = served.config.pipeline.replace("-", "_").title().replace("_", "")
    return Bodies(request=request_type(name, served.contract), response=response_type(name, served, outputs))


def request_type(name: str, contract: Contract) -> type[BaseModel]:
    extra: Literal["forbid", "ignore"] = "forbid" if contract.extra_columns == "refuse" else "ignore"
    # Names of its own, for a header may have any, and some are taken in pydantic.
    fields: Any = {
        attribute(number): (JSON_TYPES[field.facts.kind], described(field)) for number, field in pairs(contract)
    }
    row = create_model(
        f"{name}Row",
        __config__=ConfigDict(extra=extra, title=f"{name}Row"),
        __doc__="A row as in a file. Missing values are null; a string is parsed as in a CSV file.",
        **fields,
    )
    return create_model(
        f"{name}Request",
        __config__=ConfigDict(extra="forbid"),
        rows=(Annotated[list[Annotated[row, BeforeValidator(bare)]], Field(min_length=1, max_length=MAX_ROWS)], ...),
    )


def pairs(contract: Contract) -> list[tuple[int, ContractField]]:
    return list(enumerate(contract.fields))


def attribute(number: int) -> str:
    return f"field_{number}"


def described(field: ContractField) -> Any:
    wanted = "may be null" if field.nullable else "a null is rejected"
    in_format = f" in the format {field.format}" if field.format else ""
    if field.decimal == ",":
        in_format = " (a text has a decimal comma)"
    return Field(default=None, alias=field.source, title=field.source, description=f"{field.type}{in_format}, {wanted}")


def values_of(body: BaseModel, contract: Contract) -> list[Row]:
    """The rows of a request, each with the values in the order of the contract's fields."""
    names = [attribute(number) for number, _ in pairs(contract)]
    return [[getattr(row, name) for name in names] for row in body.rows]  # type: ignore[attr-defined]


def response_type(name: str, served: Served, outputs: Sequence[ModelColumn]) -> type[BaseModel]:
    what = value_name(served)
    value = forecast_type(served.config.series) if served.config.series else prediction_type(name, tuple(outputs))
    row: Any = {
        what: (
            value | None,
            Field(
                description="null with reasons or an error (but not one of a fallback), or if the model returned null"
            ),
        ),
        "error": (str | None, Field(description="why an accepted row has none, or one of the fallback")),
        "reasons": (list[str] | None, Field(description="why the contract rejected the row")),
    }
    if served.experiment is not None:
        row |= experiment_fields()
    one = create_model(f"{name}RowAnswer", __config__=ConfigDict(protected_namespaces=()), **row)
    return create_model(
        f"{name}Answer",
        __config__=ConfigDict(protected_namespaces=()),
        __doc__="One entry for each row of the request, in its order.",
        model_name=(str, ...),
        model_version=(str, ...),
        rows=(Annotated[list[one], Field()], ...),
    )


def experiment_fields() -> dict[str, Any]:
    """Of a row's answer, in a pipeline with an experiment."""
    return {
        "role": (
            Literal["champion", "candidate"] | None,
            Field(description="whose answer it is; null for a rejected row, or if the request names a version"),
        ),
        "model_version": (str | None, Field(description="the version that answered; null for a rejected row")),
    }


def value_name(served: Served) -> str:
    return "forecast" if served.config.workload == "series" else "prediction"


def forecast_type(series: SeriesConfig) -> Any:
    """The steps of a forecast; with several levels each has the intervals of all."""
    return list[ForecastStepOfLevels] if len(series.levels) > 1 else list[ForecastStep]


def prediction_type(name: str, outputs: tuple[ModelColumn, ...]) -> Any:
    if is_single(outputs):
        return python_type(outputs[0])
    fields: Any = {
        attribute(number): (python_type(column) | None, Field(alias=column.name, title=column.name))
        for number, column in enumerate(outputs)
    }
    return create_model(f"{name}Prediction", **fields)


def python_type(column: ModelColumn) -> Any:
    return column.type.to_python()  # type: ignore[no-untyped-call]
