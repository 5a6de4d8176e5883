"""The versions of a registered model with what their runs say: code, training data, hold-out metrics."""

import json
import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from mlflow.exceptions import MlflowException

from penstock.models.registry import NOT_THERE, Registry

#: Over HTTP a run is a request of some 20 ms.
READERS = 8
GIT_COMMIT = "mlflow.source.git.commit"
CONTEXT = "mlflow.data.context"
#: In the source of a dataset that is a Delta table.
TABLE_VERSION = "delta_table_version"
#: What the trainings of rows log of how many rows a model was fitted on, in the order in which it is looked for.
ROWS = ("training_rows", "rows")
HOLDOUT = "holdout_"
#: What a run logs where all data was used.
UNLIMITED = "all"


@dataclass(frozen=True, kw_only=True)
class TrainingData:
    """source: where it lies, if the run says so. version: of the Delta table. digest: of the data, by MLflow, where it
    had the data itself. context: what it was used for, `training` or `exogenous`."""

    name: str
    source: str | None = None
    version: int | None = None
    digest: str | None = None
    context: str = "training"


@dataclass(frozen=True, kw_only=True)
class TrainingRun:
    """rows: what the model was fitted on, of series their observations. until: the last ds of it, if the fit was given
    one. holdout: the run's metrics that begin with `holdout_`; without those that are no finite number."""

    run_id: str
    name: str
    git_commit: str | None
    data: tuple[TrainingData, ...]
    rows: int | None
    until: str | None
    holdout: dict[str, float]


@dataclass(frozen=True, kw_only=True)
class RegisteredVersion:
    """run: None for a version without one, and where it was deleted."""

    version: str
    aliases: tuple[str, ...]
    created_at: datetime
    run: TrainingRun | None


def registered_versions(registry: Registry, name: str) -> list[RegisteredVersion] | None:
    """All versions of the model, the newest first; None if the registry has no such model.

    Raises RegistryUnavailableError.
    """
    try:
        client = registry.client
        aliases = client.get_registered_model(name).aliases
        found = list(pages(client, name))
        with ThreadPoolExecutor(READERS) as pool:
            runs = list(pool.map(lambda version: run_of(client, version.run_id), found))
    except MlflowException as error:
        if error.error_code in NOT_THERE:
            return None
        raise registry.unavailable(error) from None
    except OSError as error:
        raise registry.unavailable(error) from None
    versions = [
        RegisteredVersion(
            version=str(version.version),
            aliases=tuple(sorted(alias for alias, of in aliases.items() if str(of) == str(version.version))),
            created_at=datetime.fromtimestamp(int(version.creation_timestamp) / 1000, tz=UTC),
            run=run,
        )
        for version, run in zip(found, runs, strict=True)
    ]
    return sorted(versions, key=lambda version: int(version.version), reverse=True)


def pages(client: Any, name: str) -> Iterator[Any]:
    quote = '"' if "'" in name else "'"
    token = None
    while True:
        page = client.search_model_versions(f"name={quote}{name}{quote}", page_token=token)
        yield from page
        token = page.token
        if not token:
            return


def run_of(client: Any, run_id: str | None) -> TrainingRun | None:
    """None if there is no such run (any more)."""
    if not run_id:
        return None
    try:
        run = client.get_run(run_id)
    except MlflowException as error:
        if error.error_code in NOT_THERE:
            return None
        raise
    params, metrics = run.data.params, run.data.metrics
    rows = next((params[name] for name in ROWS if params.get(name, "").isdigit()), None)
    until = params.get("until", UNLIMITED)
    return TrainingRun(
        run_id=run_id,
        name=run.info.run_name or "",
        git_commit=run.data.tags.get(GIT_COMMIT),
        data=data_of(run.inputs.dataset_inputs if run.inputs else [], params),
        rows=int(rows) if rows else observations(metrics),
        until=None if until == UNLIMITED else until,
        holdout={
            name: float(value)
            for name, value in sorted(metrics.items())
            if name.startswith(HOLDOUT) and math.isfinite(value)
        },
    )


def observations(metrics: dict[str, float]) -> int | None:
    """What a fit of series logs in place of rows."""
    found = metrics.get("observations")
    return int(found) if found is not None and math.isfinite(found) else None


def data_of(inputs: list[Any], params: dict[str, str]) -> tuple[TrainingData, ...]:
    """The run's datasets; of a training that logs none, the file that its params name."""
    if inputs:
        return tuple(dataset(one) for one in inputs)
    return (TrainingData(name=params["data"]),) if params.get("data") else ()


def dataset(logged: Any) -> TrainingData:
    found = logged.dataset
    context = next((tag.value for tag in logged.tags if tag.key == CONTEXT), "training")
    source = json_object(found.source)
    version = source.get(TABLE_VERSION)
    place = place_of(source)
    return TrainingData(
        name=found.name,
        source=place,
        version=int(version) if version is not None else None,
        # Of a place alone MLflow makes a digest of its name, which says nothing of the data.
        digest=found.digest if place is None else None,
        context=context,
    )


def place_of(source: dict[str, Any]) -> str | None:
    """Where a dataset lies, if its source says so."""
    return next((str(source[key]) for key in ("path", "uri", "url") if source.get(key)), None)


def json_object(text: str | None) -> dict[str, Any]:
    """A dataset's source or profile as MLflow keeps it, JSON; other programs may log another text."""
    try:
        found = json.loads(text or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
