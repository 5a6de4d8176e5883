"""The fleet as an MLflow model: one pyfunc for all series."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
from mlflow.pyfunc.model import PythonModel, PythonModelContext

from .fleet_forecast import forecast_frame
from .fleet_store import FleetStore, open_store

ARTIFACT = "fleet"
"""Name of the model's artifact folder with the arrays."""


class FleetModel(PythonModel):
    """Forecasts with intervals, in levels, for rows of series_id, ds and lagged levels."""

    store: FleetStore

    def load_context(self, context: PythonModelContext) -> None:
        """Map the arrays. (MLflow insists on the parameter's name.)"""
        self.store = open_store(Path(context.artifacts[ARTIFACT]))

    def predict(
        self,
        context: PythonModelContext,  # noqa: ARG002  MLflow's interface
        model_input: pd.DataFrame,
        params: dict[str, Any] | None = None,  # noqa: ARG002
    ) -> pd.DataFrame:
        """See `fleet_forecast.forecast_frame`."""
        return forecast_frame(self.store, model_input)
