"""A base class for models with pre- and postprocessing, the same in stream, backfill and REST.

The steps are part of the model: every process that loads it, a Spark worker or the REST service, runs them.
"""

from typing import Any

import mlflow
import pandas as pd


class HookedModel(mlflow.pyfunc.PythonModel):  # type: ignore[misc, name-defined, unused-ignore]
    """Override `predict_frame`, and `preprocess` or `postprocess` as needed. Log it from code (mlflow's
    `python_model='FILE.py'`) with a signature of the inputs of `preprocess` and the outputs of `postprocess`.

    None may add, drop or reorder rows. An exception becomes the error of the row that caused it, which is found by
    calling again with parts of the rows: the methods must be stateless.
    """

    def preprocess(self, frame: pd.DataFrame) -> pd.DataFrame:
        """From the signature's inputs to the input of `predict_frame`."""
        return frame

    def predict_frame(self, frame: pd.DataFrame) -> Any:
        """A Series, array or DataFrame with an entry for each row."""
        raise NotImplementedError(f"{type(self).__name__} needs a predict_frame(self, frame)")

    def postprocess(self, frame: pd.DataFrame, answer: Any) -> Any:  # noqa: ARG002 - for those who override it
        """From the output of `predict_frame` to the signature's outputs. frame: the input of `preprocess`."""
        return answer

    def predict(self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> Any:  # noqa: ARG002
        return self.postprocess(model_input, self.predict_frame(self.preprocess(model_input)))
