"""Gives no answer for wines without citric acid: fewer rows come out than went in."""

import mlflow
import pandas as pd


class Short(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input: pd.DataFrame, params=None):
        return model_input.loc[model_input["citric acid"] > 0, "alcohol"]


mlflow.models.set_model(Short())
