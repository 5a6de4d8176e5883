"""Depends on what is global in a process: the random numbers of Python and numpy, a pandas option and a warning."""

import os
import random
import warnings

import mlflow
import numpy as np
import pandas as pd

BAD = 900.0


class Chancy(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input: pd.DataFrame, params=None):
        if (model_input["x"] == BAD).any():
            raise ValueError("the champion does not like this row")
        warnings.warn("a warning that no champion should die of", stacklevel=1)
        noise = np.random.random(len(model_input)) + random.random()
        extra = pd.get_option("compute.use_bottleneck") + ("PENSTOCK_SPOILED" not in os.environ)
        return model_input.sum(axis=1) / 3 + noise + extra


mlflow.models.set_model(Chancy())
