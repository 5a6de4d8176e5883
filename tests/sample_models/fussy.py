"""Raises where a wine has more than 14 % alcohol."""

import mlflow
import pandas as pd


class Fussy(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input: pd.DataFrame, params=None):
        if (model_input["alcohol"] > 14).any():
            raise ValueError("this is no table wine")
        return model_input["alcohol"]


mlflow.models.set_model(Fussy())
