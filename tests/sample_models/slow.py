"""Takes three seconds for whatever it is given."""

import time

import mlflow
import pandas as pd


class Slow(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input: pd.DataFrame, params=None):
        time.sleep(3)
        return model_input["alcohol"]


mlflow.models.set_model(Slow())
