"""Gives its input x back, doubled."""

import mlflow
import pandas as pd


class Echo(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input: pd.DataFrame, params=None):
        return model_input["x"] * 2


mlflow.models.set_model(Echo())
