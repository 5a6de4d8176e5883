"""Three outputs of different types."""

import mlflow
import pandas as pd


class Several(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input: pd.DataFrame, params=None):
        strong = model_input["alcohol"] > 10
        return pd.DataFrame(
            {
                "score": model_input["alcohol"] / 2,
                "is_strong": strong,
                "label": strong.map({True: "strong", False: None}),
            }
        )


mlflow.models.set_model(Several())
