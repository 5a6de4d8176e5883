"""Rows that go into a fleet model, and the numbers that come out."""

from __future__ import annotations

import numpy as np
import pandas as pd


def window(levels, variables, *, lags, series_id, ds):
    """An input row: the newest `lags` rows of levels, NaN where there are no more."""
    row = {"series_id": series_id, "ds": pd.Timestamp(ds)}
    for lag in range(lags):
        for i, variable in enumerate(variables):
            row[f"{variable}_lag{lag}"] = levels[-1 - lag, i] if lag < len(levels) else np.nan
    return row


def answers(frame, variables, bound, *, row=0):
    """(h, k) forecasts, lower or upper bounds of a row of output."""
    steps = sum(name.startswith(f"{variables[0]}_{bound}_") for name in frame.columns)
    return np.array([[frame.iloc[row][f"{name}_{bound}_{step}"] for name in variables] for step in range(1, steps + 1)])
