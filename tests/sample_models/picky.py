"""Gives its input x back, doubled, but for some values: it raises, or answers NaN. As a champion beside hostile.py."""

import mlflow
import numpy as np
import pandas as pd

RAISES, NAN = (900.0, 901.0), (899.0, 914.0)


class Picky(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input: pd.DataFrame, params=None):
        x = model_input["x"]
        if x.isin(RAISES).any():
            raise ValueError("the champion does not like this row")
        return (2 * x).where(~x.isin(NAN), np.nan)


mlflow.models.set_model(Picky())
