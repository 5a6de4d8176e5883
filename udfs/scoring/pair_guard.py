"""The guard around a champion and a candidate: an MLflow pyfunc, run by `spark_udf` in the executors.

Models-from-code: MLflow runs this file when it loads the guard.
"""

from typing import Any

import mlflow
import pandas as pd

from penstock.udfs.scoring.model_cache import GuardedModel, open_model
from penstock.udfs.scoring.pair import CANDIDATE, CHAMPION, PairSettings, candidate_of, score_pair
from penstock.udfs.scoring.worker_copies import forget_old_guards, remove_archives


class PairGuard(mlflow.pyfunc.PythonModel):  # type: ignore[misc, name-defined, unused-ignore]
    """Inputs: those of both models by position, and whether the row is sampled. Outputs: those of `score_pair`."""

    def load_context(self, context: Any) -> None:
        settings = PairSettings.of(context.model_config)
        forget_old_guards()
        remove_archives(settings.obsolete)
        champion_of(context, settings)  # one that can't be loaded is reported before there are rows

    def predict(self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        settings = PairSettings.of(context.model_config)
        return score_pair(
            model_input,
            champion=champion_of(context, settings),
            candidate=candidate_of(context.artifacts[CANDIDATE], settings),
            settings=settings,
        )


def champion_of(context: Any, settings: PairSettings) -> GuardedModel:
    """The guard itself does not keep it: MLflow keeps every guard that a worker has loaded."""
    return open_model(context.artifacts[CHAMPION], allow_pickle=settings.allow_pickle)


mlflow.models.set_model(PairGuard())
