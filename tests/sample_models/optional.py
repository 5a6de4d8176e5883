"""Three times n plus one where flag is set; a null n is 100. Tells the types of what it was given."""

import mlflow
import pandas as pd


class Optional(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input: pd.DataFrame, params=None):
        n, flag = model_input["n"], model_input["flag"]
        if (n == 13).fillna(False).any():
            raise ValueError("thirteen")
        values = n.fillna(100).astype("int64") * 3 + flag.fillna(False).astype(bool).astype("int64")
        return pd.DataFrame({"value": values, "given.types": f"{n.dtype} {flag.dtype} {model_input['unused'].dtype}"})


mlflow.models.set_model(Optional())
