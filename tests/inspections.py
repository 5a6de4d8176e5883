"""Observations of one series to look into, and what the tables of a look into it hold."""

from pathlib import Path

import numpy as np
import pyarrow as pa
from fit_sandbox import MACRO

from penstock.config.loading import load_config
from penstock.config.series import SeriesConfig
from penstock.models.inspection.observations import SeriesObservations

PROJECT = Path(__file__).parents[1]


def config(*, series=None, **changes):
    """conf/macro.yaml; in the keys of `changes` two underscores stand for the dot. series: keys of its section."""
    values = [f"{key.replace('__', '.')}={value}" for key, value in changes.items()]
    found = load_config([PROJECT / "conf" / "macro.yaml"], overrides=values)
    section = SeriesConfig.model_validate(found.the_series.model_dump() | (series or {}))
    return found.model_copy(update={"series": section})


def observations(frame, *, variables=MACRO, series_id="usa"):
    rows = pa.table(
        {
            "series_id": [series_id] * len(frame),
            "ds": pa.array(frame["ds"], pa.timestamp("us", tz="UTC")),
            "recency": np.zeros(len(frame), dtype=np.int64),
            **{name: pa.array(frame[name], pa.float64(), from_pandas=True) for name in variables},
        }
    )
    return SeriesObservations(series_id=series_id, rows=rows, locations=("here",))


def matrix(frame, rows, columns, value):
    wide = frame.pivot(index=rows, columns=columns, values=value)
    return wide.loc[frame[rows].unique(), frame[columns].unique()].to_numpy()
