"""Fails on every row."""

import mlflow
import pandas as pd


class Broken(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input: pd.DataFrame, params=None):
        raise RuntimeError("nothing works here")


mlflow.models.set_model(Broken())
