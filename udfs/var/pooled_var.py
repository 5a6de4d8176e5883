"""One VAR of the changes of all series of a fleet, for those without a VAR of their own.

It is of changes from one period to the next on the scale (levels, or logs of levels for log and dlog), each divided by
its series' own spread, the root mean square of that series' changes. Changes have no mean of their own that a short
series could not show, and divided by the spread they have no unit: so series of all sizes are one sample (Montero-Manso
and Hyndman 2021, Principles and algorithms for forecasting groups of time series: locality and globality, International
Journal of Forecasting 37, 1632-1653). With coefficients of zero it is the random walk of the fallback `naive`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .kernel import FloatArray, forecast_columns


@dataclass(frozen=True, kw_only=True)
class PooledVar:
    """For each number of lags from 1 to p, as a series has so many. constants: (p, k). coefficients: (p, p, k, k),
    [q - 1, l, i, j] of the VAR of q lags, the effect of variable j's change, l + 1 periods ago, on that of variable i,
    zero for l >= q. deviations: (p, horizon, k), root mean squared errors of the level after each step. All in units of
    the spreads."""

    constants: FloatArray
    coefficients: FloatArray
    deviations: FloatArray

    @property
    def max_lags(self) -> int:
        return len(self.constants)

    def changes_ahead(self, changes: FloatArray) -> FloatArray:
        """What is added to the newest level after each step, (horizon, k, rows), from the last q changes, (q, k, rows),
        newest first; all in units of the spreads."""
        n_lags, k, n_rows = changes.shape
        forecasts = forecast_columns(
            coefficients=np.broadcast_to(self.coefficients[n_lags - 1, :n_lags, ..., None], (n_lags, k, k, n_rows)),
            trend_coefficients=np.broadcast_to(self.constants[n_lags - 1, :, None], (1, k, n_rows)),
            lags=changes,
            horizon=self.deviations.shape[1],
        )
        for step in range(1, len(forecasts)):
            forecasts[step] += forecasts[step - 1]
        return forecasts
