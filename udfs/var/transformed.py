"""What the VARs of a fleet are fitted on: transformed levels, and the exogenous variables of their periods."""

from __future__ import annotations

import numpy as np

from .fleet_fit import FitSettings
from .kernel import FloatArray
from .lag_bounds import lags_borne
from .packs import Observations
from .runs import Runs
from .samples import complete_rows
from .transform import observations_lost, transform_levels


def exogenous_of(exogenous: FloatArray | None, settings: FitSettings, *, n_observations: int) -> FloatArray | None:
    """The given values, (n_observations, q), None without any. Raises ValueError for a shape that does not fit."""
    wanted = (n_observations, len(settings.exogenous))
    if exogenous is None:
        if settings.exogenous:
            raise ValueError(f"no values of the exogenous variables {', '.join(settings.exogenous)}: want {wanted}")
        return None
    values = np.asarray(exogenous, dtype=np.float64)
    if values.shape != wanted:
        raise ValueError(f"exogenous values have shape {values.shape}, want {wanted}: one column per variable")
    return values if settings.exogenous else None


def transformed_observations(
    levels: FloatArray, runs: Runs, settings: FitSettings, *, exogenous: FloatArray | None = None
) -> Observations:
    """What the VAR is fitted on: where a variable is differenced, each run loses its first observation. exogenous:
    (n_total, q), as they are."""
    values, offsets = transform_levels(levels, runs.offsets, settings.transforms)
    lost = observations_lost(settings.transforms)
    kept = Runs(offsets=offsets, owned=runs.owned, start_periods=runs.start_periods + lost)
    if exogenous is not None and lost:
        exogenous = exogenous[runs.places() >= lost]
    n_rows = complete_rows(kept, settings.max_lags, exogenous)
    return Observations(
        values=values, runs=kept, complete_rows=n_rows, max_lags=lags_borne(n_rows, settings), exogenous=exogenous
    )
