"""Can't be loaded: its weights are missing."""

import mlflow
import pandas as pd


class Unloadable(mlflow.pyfunc.PythonModel):
    def load_context(self, context):
        raise OSError("there are no weights here")

    def predict(self, context, model_input: pd.DataFrame, params=None):
        return model_input["alcohol"]


mlflow.models.set_model(Unloadable())
