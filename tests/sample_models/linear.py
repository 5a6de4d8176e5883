"""Ten times the alcohol plus the pH: two inputs that must not be swapped."""

import mlflow
import pandas as pd


class Linear(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input: pd.DataFrame, params=None):
        return 10 * model_input["alcohol"] + model_input["pH"]


mlflow.models.set_model(Linear())
