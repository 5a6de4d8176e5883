"""The guard model: an MLflow pyfunc around a registered one, run by `spark_udf` in the executors.

Models-from-code: MLflow runs this file when it loads the guard.
"""

from typing import Any

import mlflow
import pandas as pd

from penstock.udfs.scoring.guarded import score_rows
from penstock.udfs.scoring.model_cache import ALLOW_PICKLE, OBSOLETE, GuardedModel, open_model
from penstock.udfs.scoring.worker_copies import forget_old_guards, remove_archives


class Guard(mlflow.pyfunc.PythonModel):  # type: ignore[misc, name-defined, unused-ignore]
    """Inputs: those of the inner model, by position. Outputs: those of the inner model and `error` (string)."""

    def load_context(self, context: Any) -> None:
        forget_old_guards()
        remove_archives(context.model_config[OBSOLETE])
        opened(context)  # a model that can't be loaded is reported before there are rows

    def predict(self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        model = opened(context)
        rows = model_input.set_axis([column.name for column in model.inputs], axis=1)
        return score_rows(model.predict, rows, inputs=model.inputs, outputs=model.outputs)


def opened(context: Any) -> GuardedModel:
    """The inner model, which the guard itself does not keep: MLflow keeps every guard that a worker has loaded."""
    return open_model(context.artifacts["model"], allow_pickle=context.model_config[ALLOW_PICKLE])


mlflow.models.set_model(Guard())
