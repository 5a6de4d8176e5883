"""The guard model: an MLflow pyfunc around a registered one, run by `spark_udf` in the executors.

Models-from-code: MLflow runs this file when it loads the guard.
"""

from typing import Any

import mlflow
import pandas as pd

from penstock.udfs.scoring.guarded import score_rows
from penstock.udfs.scoring.model_cache import ALLOW_PICKLE, GuardedModel, open_model


class Guard(mlflow.pyfunc.PythonModel):  # type: ignore[misc, name-defined, unused-ignore]
    """Inputs: those of the inner model, of any type. Outputs: those of the inner model and `error` (string)."""

    model: GuardedModel

    def load_context(self, context: Any) -> None:
        self.model = open_model(context.artifacts["model"], allow_pickle=context.model_config[ALLOW_PICKLE])

    def predict(self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        return score_rows(self.model.predict, model_input, inputs=self.model.inputs, outputs=self.model.outputs)


mlflow.models.set_model(Guard())
