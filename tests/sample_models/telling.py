"""Says what it was given: for each row, the type of each column and the value in it."""

import mlflow
import pandas as pd


class Telling(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input: pd.DataFrame, params=None):
        kinds = {name: str(model_input[name].dtype) for name in model_input.columns}
        rows = model_input.to_dict(orient="records")
        return pd.Series([" ".join(f"{name}:{kinds[name]}={row[name]!r}" for name in kinds) for row in rows])


mlflow.models.set_model(Telling())
