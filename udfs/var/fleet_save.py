"""Save a fitted fleet as an MLflow model that needs nothing but its own folder.

The model carries the modules it forecasts with as a package named by their content: two versions of a model
can be loaded in one process, each with its own code, and neither shadows the `udfs` that is installed there.
"""

from __future__ import annotations

import hashlib
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import resources
from importlib.metadata import version
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, DataType, Schema, TensorSpec
from numpy.typing import NDArray

from .fleet_calendar import Timestamps, period_numbers
from .fleet_fallback import METHOD
from .fleet_fit import FitSettings, FleetFit
from .fleet_forecast import forecast_columns_of, lag_columns, lead_columns
from .fleet_frequency import Frequency
from .fleet_model import ARTIFACT
from .fleet_refused import RefusedSeries
from .fleet_store import FleetAbout, WalkSpreads, write_store
from .kernel import FloatArray, normal_quantile
from .pooled_fit import pooled_var
from .spreads import fleet_spreads

MODULES = (
    "deterministic",
    "exogenous_effects",
    "fleet_cache",
    "fleet_calendar",
    "fleet_fallback",
    "fleet_forecast",
    "fleet_frequency",
    "fleet_ids",
    "fleet_model",
    "fleet_store",
    "kernel",
    "pooled_var",
    "transform",
)
"""Modules of this package that are saved with the model; they import nothing else of it."""

#: The key in a model's MLmodel metadata under which it says what it was fitted for.
FLEET_METADATA = "penstock_fleet"
#: The key within it of the newest time of the observations that its series were fitted on, in UTC and ISO format.
FITTED_UNTIL = "fitted_until"
#: The key within it of the texts that a lag_order of FIRST_REFUSED and below stands for.
REFUSED_REASONS = "refused_reasons"
REQUIREMENTS = ("mlflow", "numpy", "pandas", "pyarrow")


@contextmanager
def fleet_model_parts(
    fit: FleetFit,
    *,
    ids: NDArray[Any] | Sequence[str] | Sequence[int],
    variables: Sequence[str],
    frequency: str,
    last_ds: Timestamps | None = None,
    holidays: tuple[str, ...] = (),
    refused: Sequence[tuple[Any, str]] | None = None,
    levels: Sequence[float] = (),
) -> Iterator[dict[str, Any]]:
    """The arguments by which `mlflow.pyfunc.save_model` or `log_model` makes a model of `fit`.

    The files they name are there only within the `with`.
    ids: (fit.n_series,), all str or all int, those of refused series included. variables: (k,), names. frequency: an
    alias, see Frequency. last_ds: (fit.n_series,), when each series' last fitted observation was; needed for the trends
    ct and ctt, and for a season; the model's metadata has the newest of the fitted series. holidays: ISO dates that are
    no business days. refused: (id, reason) of every series that has no model, those included that were refused before
    the fit; by default those of `fit`. levels: of further intervals, beside that of the fit.
    """
    about, time_origin = _about(
        fit, ids=ids, variables=variables, frequency=frequency, last_ds=last_ds, holidays=holidays, levels=levels
    )
    pairs = refused if refused is not None else [(ids[one.position], one.reason) for one in fit.refused]
    without_model = RefusedSeries.of(pairs, ids_are_strings=about.ids_are_strings)
    with tempfile.TemporaryDirectory() as scratch, _carried_code(Path(scratch)) as (entry, package):
        folder = Path(scratch) / ARTIFACT
        write_store(
            folder,
            about=about,
            ids=_id_array(ids)[fit.positions],
            record_parts=(
                fit.powers_of_time,
                fit.coefficients[:, : about.max_lag_order],
                fit.half_widths,
                fit.exogenous_coefficients,
                fit.stored_season,
            ),
            lag_order=fit.lag_order,
            time_origin=time_origin,
            refused_ids=without_model.ids,
            refused_codes=without_model.codes,
            spreads=_spreads(fit, fit.change_spreads, ids=ids, refused_ids=without_model.ids),
            seasonal_spreads=_spreads(fit, fit.seasonal_spreads, ids=ids, refused_ids=without_model.ids),
            pooled=pooled_var(fit) if about.fallback == "pooled" else None,
        )
        yield {
            "python_model": str(entry),
            "artifacts": {ARTIFACT: str(folder)},
            "code_paths": [str(package)],
            "signature": fleet_signature(about),
            # given explicitly: MLflow would infer them by loading the model in another process, which is slow
            "pip_requirements": [f"{name}=={version(name)}" for name in REQUIREMENTS],
            "metadata": {
                FLEET_METADATA: {
                    "series": len(fit),
                    "level": about.level,
                    "levels": list(about.levels),
                    "point": about.point,
                    "intervals": fit.settings.intervals,
                    "frequency": about.frequency,
                    "horizon": about.horizon,
                    "max_lag_order": about.max_lag_order,
                    "holes": int(fit.n_holes.sum()),
                    "rows_left_out": int(fit.rows_left_out.sum()),
                    **_end_of_data(fit, last_ds),
                    **_prior_metadata(fit.settings),
                    # A trend in time and a season count periods, by a calendar that has to be the stream's.
                    **(
                        {"holidays": list(holidays)}
                        if about.terms.counts_periods and Frequency.of(frequency).has_business_days
                        else {}
                    ),
                    REFUSED_REASONS: list(without_model.reasons),
                    "refused_left_out": without_model.left_out,
                    **({"fallback": about.fallback} if about.fallback != "none" else {}),
                    **({"exogenous": list(about.exogenous)} if about.exogenous else {}),
                }
            },
        }


def save_fleet_model(
    path: str | Path,
    fit: FleetFit,
    *,
    ids: NDArray[Any] | Sequence[str] | Sequence[int],
    variables: Sequence[str],
    frequency: str,
    last_ds: Timestamps | None = None,
    holidays: tuple[str, ...] = (),
    refused: Sequence[tuple[Any, str]] | None = None,
    levels: Sequence[float] = (),
) -> None:
    """Save the models of `fit` to the new folder `path`; for the rest see `fleet_model_parts`."""
    with fleet_model_parts(
        fit,
        ids=ids,
        variables=variables,
        frequency=frequency,
        last_ds=last_ds,
        holidays=holidays,
        refused=refused,
        levels=levels,
    ) as parts:
        mlflow.pyfunc.save_model(path=str(path), **parts)


def fleet_signature(about: FleetAbout) -> ModelSignature:
    """Flat double columns in and out: they cross from Spark without a Python object per value."""
    id_type = DataType.string if about.ids_are_strings else DataType.long
    inputs: list[ColSpec | TensorSpec] = [ColSpec(id_type, "series_id"), ColSpec(DataType.datetime, "ds")]
    inputs += [ColSpec(DataType.double, name) for name in lag_columns(about)]
    inputs += [ColSpec(DataType.double, name, required=False) for name in lead_columns(about)]
    outputs: list[ColSpec | TensorSpec] = [
        ColSpec(DataType.long, "lag_order"),
        ColSpec(DataType.long, "needed"),
        *([ColSpec(DataType.long, METHOD)] if about.fallback != "none" else []),
    ]
    outputs += [ColSpec(DataType.double, name) for name in forecast_columns_of(about)]
    return ModelSignature(inputs=Schema(inputs), outputs=Schema(outputs))


def _end_of_data(fit: FleetFit, last_ds: Timestamps | None) -> dict[str, Any]:
    if last_ds is None or not len(fit):
        return {}
    newest = np.asarray(last_ds, dtype="datetime64[us]")[fit.positions].max()
    return {FITTED_UNTIL: f"{newest}+00:00"}


def _prior_metadata(settings: FitSettings) -> dict[str, Any]:
    """Empty without a prior, as in models of earlier versions."""
    if settings.prior == "none":
        return {}
    return {"prior": settings.prior, "tightness": settings.tightness, "decay": settings.decay}


def _id_array(ids: NDArray[Any] | Sequence[str] | Sequence[int]) -> NDArray[Any]:
    array = np.asarray(ids)
    return array if np.issubdtype(array.dtype, np.integer) else np.asarray(ids, dtype=object)


def _about(
    fit: FleetFit,
    *,
    ids: NDArray[Any] | Sequence[str] | Sequence[int],
    variables: Sequence[str],
    frequency: str,
    last_ds: Timestamps | None,
    holidays: tuple[str, ...],
    levels: Sequence[float],
) -> tuple[FleetAbout, NDArray[np.float64]]:
    """The fleet's description, and each model's time index minus the number of its last period."""
    settings = fit.settings
    if len(ids) != fit.n_series:
        raise ValueError(f"{len(ids)} ids for {fit.n_series} series")
    if len(variables) != len(settings.transforms) or len(set(variables)) != len(variables):
        raise ValueError(f"want {len(settings.transforms)} different names, not {list(variables)}")
    if len({settings.level, *levels}) <= len(levels):
        raise ValueError(f"levels must be different ones beside {settings.level}, not {list(levels)}")
    for level in levels:
        normal_quantile(level)
    anchor, last_numbers = np.datetime64("1970-01-01", "ns"), np.zeros(len(fit))
    if settings.terms.counts_periods and len(fit):
        if last_ds is None or len(last_ds) != fit.n_series:
            counting = f"season {settings.season:g}" if settings.season else f"trend {settings.trend}"
            raise ValueError(f"{counting} needs last_ds, one timestamp per series")
        fitted_last_ds = np.asarray(last_ds, dtype="datetime64[ns]")[fit.positions]
        anchor = fitted_last_ds.min()
        last_numbers = period_numbers(fitted_last_ds, frequency=frequency, anchor=anchor, holidays=holidays)
        if np.isnan(last_numbers).any():
            stray = fitted_last_ds[np.isnan(last_numbers)][0]
            raise ValueError(f"{stray} is not on the calendar of frequency {frequency}")
    about = FleetAbout(
        variables=tuple(variables),
        transforms=settings.transforms,
        trend=settings.trend,
        frequency=frequency,
        horizon=settings.horizon,
        level=settings.level,
        max_lag_order=int(fit.lag_order.max(initial=0)),
        ids_are_strings=not np.issubdtype(_id_array(ids).dtype, np.integer),
        anchor=str(anchor),
        holidays=holidays,
        point=settings.point,
        season=settings.season,
        fourier=settings.fourier,
        levels=tuple(sorted(levels)),
        fallback=settings.fallback,
        exogenous=settings.exogenous,
    )
    return about, fit.last_time_index - last_numbers


def _spreads(
    fit: FleetFit,
    spreads: FloatArray,
    *,
    ids: NDArray[Any] | Sequence[str] | Sequence[int],
    refused_ids: NDArray[Any],
) -> WalkSpreads | None:
    """What the fit knows of its series' changes. spreads: (fit.n_series, k), empty without a fallback that has them.
    refused_ids: of the model; some may not have come as far as the fit."""
    if not spreads.size:
        return None
    own = spreads[fit.positions]
    positions = {ids[refusal.position]: refusal.position for refusal in fit.refused}
    refused = np.full((len(refused_ids), own.shape[1]), np.nan)
    for place, series_id in enumerate(refused_ids):
        if series_id in positions:
            refused[place] = spreads[positions[series_id]]
    return WalkSpreads(own=own, refused=refused, fleet=fleet_spreads(own, level=fit.settings.level))


@contextmanager
def _carried_code(scratch: Path) -> Iterator[tuple[Path, Path]]:
    """The entry script and the package that a model carries, importable while it is saved."""
    # by importlib.resources rather than __file__: on Spark this package may be imported from a zip
    here = resources.files(__package__ or "udfs")
    texts = {name: here.joinpath(f"{name}.py").read_text(encoding="utf-8") for name in MODULES}
    content = hashlib.sha256("".join(texts.values()).encode()).hexdigest()
    package = scratch / "code" / f"penstock_fleet_{content[:16]}"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    for name, text in texts.items():
        (package / f"{name}.py").write_text(text, encoding="utf-8")
    entry = scratch / "fleet_entry.py"
    entry.write_text(
        f"import mlflow\nfrom {package.name}.fleet_model import FleetModel\n\nmlflow.models.set_model(FleetModel())\n"
    )
    sys.path.insert(0, str(package.parent))
    try:
        yield entry, package
    finally:
        sys.path.remove(str(package.parent))
        shutil.rmtree(package.parent, ignore_errors=True)
