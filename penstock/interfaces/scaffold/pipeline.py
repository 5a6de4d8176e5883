"""Creates a new pipeline from a sample of its input: contract, config, and the next commands."""

import re
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path

import yaml

from penstock.config.pipeline import PipelineConfig
from penstock.errors import ConfigError
from penstock.interfaces.scaffold.config import SeriesSettings, config_text
from penstock.interfaces.scaffold.contract import contract_text, fields_of
from penstock.interfaces.scaffold.frequency import FoundCalendar, found_calendar
from penstock.interfaces.scaffold.naming import check_pipeline_name, column_names, refuse_own_module
from penstock.interfaces.scaffold.series import (
    SERIES_LOOKED_AT,
    TABLE_COLUMNS,
    SeriesColumns,
    contradiction_note,
    series_kinds,
    times_by_series,
)
from penstock.interfaces.scaffold.steps import Written
from penstock.interfaces.scaffold.writing import sample_without, text_file, write_all
from penstock.schemas.contract import Contract, ContractDefinitionError
from penstock.sources.inference.sample import Sample, read_sample
from penstock.sources.inference.types import Kind

SHOWN_COLUMNS = 30
PLAIN_FILE_NAME = re.compile(r"[\w. -]{1,60}")


@dataclass(frozen=True, kw_only=True)
class Request:
    """The user's options; columns by their headers. frequency: of the series, instead of the sample's."""

    name: str
    sample: Path
    target: str | None = None
    series: SeriesColumns | None = None
    frequency: str | None = None
    model: str | None = None
    folder: Path = Path()
    force: bool = False


@dataclass(frozen=True, kw_only=True)
class Outcome:
    written: Written
    contract: Contract
    notes: tuple[str, ...]


def init_pipeline(request: Request) -> Outcome:
    """Write schemas/NAME.py, conf/NAME.yaml and data/NAME-sample.* below the folder. Raises ConfigError."""
    check_pipeline_name(request.name)
    refuse_own_module(request.name, request.folder)
    if not request.folder.is_dir():
        raise ConfigError(f"--folder: {request.folder} is no folder; name one that is there")
    sample = read_sample(request.sample)
    kinds = wanted_kinds(sample, request)
    try:
        contract = Contract(fields=fields_of(kinds, wanted_names(kinds, request)))
    except ContractDefinitionError as error:
        raise ConfigError(f"{request.sample}: {error}") from None
    written = Written(
        name=request.name,
        folder=request.folder,
        contract=Path("schemas") / f"{request.name}.py",
        config=Path("conf") / f"{request.name}.yaml",
        sample=Path("data") / f"{request.name}-sample.{sample.format}",
        data=request.sample,
        target=request.target,
        is_series=request.series is not None,
        model=request.model or request.name,
    )
    found = calendar_of(sample, contract, request.series, request.frequency) if request.series else None
    config = config_of(sample, contract, request, written, found)
    field_notes = {source: kind.note for source, kind in kinds.items() if kind.note}
    about = f"What a file of the pipeline {request.name} holds, as {shown_name(request.sample)} has it."
    files = [
        text_file(written.contract, contract_text(contract, about=about, notes=field_notes)),
        text_file(written.config, config),
        sample_without(sample, request.target, written.sample),
    ]
    write_all(request.folder, files, force=request.force)
    column_notes = (f"column {source!r}: {note}" for source, note in field_notes.items())
    notes = (*sample.notes, *column_notes, *(found.notes if found else ()))
    return Outcome(written=written, contract=contract, notes=notes)


def wanted_kinds(sample: Sample, request: Request) -> dict[str, Kind]:
    """The columns of the contract: those of the series, or all but the target."""
    series = request.series
    for option, names in (
        ("--target", (request.target,) if request.target is not None else ()),
        ("--series-id, --time, --variables", series.all if series else ()),
    ):
        refuse_unknown(sample, option, names)
    if series:
        return series_kinds(sample, series)
    kinds = {source: kind for source, kind in sample.kinds.items() if source != request.target}
    if not kinds:
        raise ConfigError(f"{sample.path}: has no column beside the target {request.target!r}; a model needs some")
    return kinds


def refuse_unknown(sample: Sample, option: str, names: tuple[str, ...]) -> None:
    for name in names:
        if name not in sample.kinds:
            near = get_close_matches(name, list(sample.kinds), n=1)
            known = ", ".join(map(repr, list(sample.kinds)[:SHOWN_COLUMNS]))
            hint = f"is {near[0]!r} meant?" if near else f"its columns are {known}"
            raise ConfigError(f"{option}: {sample.path} has no column {name!r}; {hint}")


def wanted_names(kinds: dict[str, Kind], request: Request) -> list[str]:
    """Table column names. The id and the time of a series get fixed columns, whatever their headers."""
    sources = list(kinds)
    if request.series is None:
        return column_names(sources)
    n_keys = len(request.series.keys)
    own = column_names(sources[:n_keys])
    return [*own, *column_names(sources[n_keys:], taken={*own, *TABLE_COLUMNS})]


def calendar_of(sample: Sample, contract: Contract, series: SeriesColumns, frequency: str | None) -> FoundCalendar:
    """Raises ConfigError."""
    form = next(field.format for field in contract.fields if field.source == series.time)
    found = times_by_series(sample, series, form=form)
    looked_at = list(found.values())[:SERIES_LOOKED_AT]
    calendar = found_calendar(
        [one.times for one in looked_at],
        contradicted=[one.contradicted for one in looked_at],
        frequency=frequency,
        n_variables=len(series.variables),
    )
    return replace(calendar, notes=(*calendar.notes, *contradiction_note(found)))


def config_of(
    sample: Sample, contract: Contract, request: Request, written: Written, calendar: FoundCalendar | None
) -> str:
    """The config's text, validated by parsing it. calendar: of a pipeline of series. Raises ConfigError."""
    settings = None
    if request.series and calendar:
        names = [field.name for field in contract.fields]
        n_keys = len(request.series.keys)
        settings = SeriesSettings(
            id=None if request.series.id is None else names[0],
            time=names[n_keys - 1],
            variables=tuple(names[n_keys:]),
            frequency=calendar.frequency,
            holidays=calendar.holidays,
            periods=calendar.longest_run,
        )
    what = f"a prediction of {request.target!r}" if request.target is not None else "a prediction"
    about = "each new observation gives a forecast" if settings else f"each row of an arriving file gets {what}"
    text = config_text(
        request.name,
        about=f"{request.name}: {' '.join(about.split())}.",
        file_format=sample.format,
        dialect=sample.dialect,
        model=written.model,
        series=settings,
    )
    try:
        PipelineConfig.model_validate(yaml.safe_load(text))
    except ValueError as error:
        raise ConfigError(f"--model or a column's name can't stand in a config: {error}") from None
    return text


def shown_name(path: Path) -> str:
    return path.name if PLAIN_FILE_NAME.fullmatch(path.name) else "the sample"
